import { setImmediate as turn } from 'node:timers/promises';
import { JsonMetricsSerializer, ProtobufMetricsSerializer } from '@opentelemetry/otlp-transformer';
import type { Resource } from '@opentelemetry/resources';
import type { MetricReader, PartialDelivery } from '@retina/sdk';
import type { CredentialFiles } from './credentials.ts';
import { Delivery, rejection } from './delivery.ts';
import type { OtlpConfig } from './options.ts';
import { type Slice, StoreProducer, StoreReader } from './slices.ts';
import type { Transport } from './transport.ts';

/** Pushes the host's metrics slice by slice: each is converted, sent and forgotten before the next. */
export class MetricsPush {
  private readonly producer: StoreProducer;
  private readonly reader: StoreReader;
  private readonly serializer: typeof ProtobufMetricsSerializer;
  private readonly transport: Transport;
  private readonly credentials: CredentialFiles;

  constructor(config: OtlpConfig, resource: Resource, version: string, transport: Transport, files: CredentialFiles) {
    const json = config.protocol === 'http/json';
    this.serializer = json ? JsonMetricsSerializer : ProtobufMetricsSerializer;
    this.transport = transport;
    this.credentials = files;
    this.producer = new StoreProducer({
      resource,
      version,
      delta: config.metrics.temporality === 'delta',
      naming: config.metrics.naming,
      exponential: config.metrics.exponentialHistograms,
      pointsPerRequest: config.metrics.pointsPerRequest,
      finiteOnly: json,
    });
    this.reader = new StoreReader(this.producer);
  }

  async push(metrics: MetricReader, signal: AbortSignal): Promise<PartialDelivery | undefined> {
    const delivery = new Delivery();
    this.producer.begin(metrics);
    for (;;) {
      signal.throwIfAborted();
      await this.reader.collect();
      const { slice } = this.producer;
      if (!slice) return delivery.result();
      delivery.lose(slice.unwritable, 'JSON has no NaN and no infinity');
      if (slice.points > 0) await this.send(slice, delivery, signal);
      await turn();
    }
  }

  private async send(slice: Slice, delivery: Delivery, signal: AbortSignal): Promise<void> {
    const credentials = await this.credentials.read();
    await turn(); // reading a slice was one turn, writing it is another
    const body = this.serializer.serializeRequest(slice.resourceMetrics)!;
    try {
      const answer = await this.transport.send('metrics', body, credentials, signal);
      const read = () => (answer.length > 0 ? this.serializer.deserializeResponse(answer) : undefined);
      const { rejected, message } = rejection(read, 'rejectedDataPoints', slice.points);
      delivery.answered(rejected, message);
    } catch (error) {
      delivery.failed(error, slice.points);
    }
    slice.commit(); // what was refused for good is lost, and counted: the next delta begins after it
  }
}
