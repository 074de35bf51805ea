// A minimal OpenTelemetry Collector for the tests: the stock OTLP receiver, an exporter that writes every request it was handed to
// standard output, one JSON line each, in the OTLP JSON encoding, and one that writes how many records were in it.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

var (
	out    sync.Mutex
	lines  = component.MustNewType("lines")
	counts = component.MustNewType("counts")
)

type sink struct{}

func (sink) Start(context.Context, component.Host) error { return nil }
func (sink) Shutdown(context.Context) error              { return nil }

type metricsSink struct{ sink }

func (metricsSink) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }
func (metricsSink) ConsumeMetrics(_ context.Context, md pmetric.Metrics) error {
	text, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(md)
	return line(text, err)
}

type logsSink struct{ sink }

func (logsSink) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }
func (logsSink) ConsumeLogs(_ context.Context, ld plog.Logs) error {
	text, err := (&plog.JSONMarshaler{}).MarshalLogs(ld)
	return line(text, err)
}

type countingSink struct{ sink }

func (countingSink) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }
func (countingSink) ConsumeLogs(_ context.Context, ld plog.Logs) error {
	return line([]byte(fmt.Sprintf(`{"records":%d}`, ld.LogRecordCount())), nil)
}

func line(text []byte, err error) error {
	if err != nil {
		return err
	}
	out.Lock()
	defer out.Unlock()
	_, err = fmt.Fprintf(os.Stdout, "%s\n", text)
	return err
}

func factories() (otelcol.Factories, error) {
	receivers, err := otelcol.MakeFactoryMap[receiver.Factory](otlpreceiver.NewFactory())
	if err != nil {
		return otelcol.Factories{}, err
	}
	exporters, err := otelcol.MakeFactoryMap[exporter.Factory](exporter.NewFactory(
		lines,
		func() component.Config { return &struct{}{} },
		exporter.WithMetrics(func(context.Context, exporter.Settings, component.Config) (exporter.Metrics, error) {
			return metricsSink{}, nil
		}, component.StabilityLevelStable),
		exporter.WithLogs(func(context.Context, exporter.Settings, component.Config) (exporter.Logs, error) {
			return logsSink{}, nil
		}, component.StabilityLevelStable),
	), exporter.NewFactory(
		counts,
		func() component.Config { return &struct{}{} },
		exporter.WithLogs(func(context.Context, exporter.Settings, component.Config) (exporter.Logs, error) {
			return countingSink{}, nil
		}, component.StabilityLevelStable),
	))
	return otelcol.Factories{Receivers: receivers, Exporters: exporters, Telemetry: otelconftelemetry.NewFactory()}, err
}

func main() {
	settings := otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "otlp-test-collector", Version: "0"},
		Factories: factories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			URIs:              []string{"file:" + os.Args[1]},
			ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory()},
		}},
	}
	collector, err := otelcol.NewCollector(settings)
	if err == nil {
		err = collector.Run(context.Background())
	}
	if err != nil {
		log.Fatal(err)
	}
}
