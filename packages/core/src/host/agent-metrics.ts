import { readFileSync, readdirSync } from 'node:fs';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { ComponentState, Instruments, MetricSpecs } from '@retina/sdk';
import type { LabelDomain } from '../metrics/labels.ts';
import type { MetricStore } from '../metrics/store.ts';

const STATES: readonly ComponentState[] = [
  'declared', 'validated', 'probed', 'starting', 'running', 'degraded', 'stopping', 'stopped', 'failed',
]; // prettier-ignore

const SECONDS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1];

const SPECS = {
  retina_build_info: { kind: 'gauge', help: 'Version of the agent; always 1.', labels: ['version', 'node_version'] },
  retina_plugin_state: {
    kind: 'gauge',
    help: 'State of each plugin: 1 for the one it is in.',
    labels: ['plugin', 'state'],
  },
  retina_exporter_state: {
    kind: 'gauge',
    help: 'State of each exporter: 1 for the one it is in.',
    labels: ['exporter', 'state'],
  },
  retina_component_restarts_total: {
    kind: 'counter',
    help: 'Times a plugin or exporter was set up again after a failure.',
    labels: ['kind', 'name'],
  },
  retina_handler_seconds: {
    kind: 'histogram',
    help: 'Time a batch or task took in the handler of a plugin or exporter.',
    unit: 'seconds',
    buckets: SECONDS,
    labels: ['kind', 'name'],
  },
  retina_handler_errors_total: {
    kind: 'counter',
    help: 'Times a handler of a plugin or exporter threw.',
    labels: ['kind', 'name'],
  },
  retina_lost_records_total: {
    kind: 'counter',
    help: 'Records a stage saw and could not keep.',
    labels: ['stage', 'component'],
  },
  retina_flow_records_total: { kind: 'counter', help: 'Flow records that reached the flow pipeline.' },
  retina_flow_not_selected_records_total: {
    kind: 'counter',
    help: 'Flow records that end in the flow pipeline, since they are of pods that no annotation or selector chose.',
    labels: ['component'],
  },
  retina_flow_not_selected_packets_total: {
    kind: 'counter',
    help: 'Packets in flow records of pods that no annotation or selector chose; those the node as such counts are counted.',
    labels: ['component'],
  },
  retina_taps: {
    kind: 'gauge',
    help: 'Tapped interfaces by role and by how programs hang on them.',
    labels: ['role', 'mode'],
  },
  retina_event_loop_delay_seconds: {
    kind: 'gauge',
    help: 'Delay of the event loop since the last reading.',
    unit: 'seconds',
    labels: ['percentile'],
  },
  retina_event_loop_utilization_ratio: {
    kind: 'gauge',
    help: 'Share of the time since the last reading that the event loop was busy.',
    unit: 'ratio',
  },
  controlplane_networkobservability_plugin_manager_failed_to_reconcile: {
    kind: 'counter',
    help: 'Times a plugin could not be started.',
    labels: ['reason'],
  },
  controlplane_networkobservability_lost_events_counter: {
    kind: 'counter',
    help: 'Events lost on the way from the kernel to the metrics, by stage (type) and plugin (reason).',
    labels: ['type', 'reason'],
  },
  controlplane_networkobservability_parsed_packets_counter: {
    kind: 'counter',
    help: 'Packets that became part of flows.',
  },
  process_cpu_seconds_total: { kind: 'counter', help: 'CPU time of this process, user and system.', unit: 'seconds' },
  process_resident_memory_bytes: { kind: 'gauge', help: 'Resident memory.', unit: 'bytes' },
  process_virtual_memory_bytes: { kind: 'gauge', help: 'Virtual memory.', unit: 'bytes' },
  process_start_time_seconds: { kind: 'gauge', help: 'Start of the process since the Unix epoch.', unit: 'seconds' },
  process_open_fds: { kind: 'gauge', help: 'Open file descriptors.' },
  process_max_fds: { kind: 'gauge', help: 'Most file descriptors that may be open.' },
  nodejs_heap_size_total_bytes: { kind: 'gauge', help: 'Heap that JavaScript has reserved.', unit: 'bytes' },
  nodejs_heap_size_used_bytes: { kind: 'gauge', help: 'Heap that JavaScript uses.', unit: 'bytes' },
} as const satisfies MetricSpecs;

/** Time between two samples of the event loop's delay. Each wakes the process: at 20 ms they cost more than an agent at rest. */
const DELAY_SAMPLE_MS = 100;

/** The agent's metrics about itself. They live in the host's one store; gauges are read when somebody asks. */
export class AgentMetrics implements Disposable {
  readonly of: Instruments<typeof SPECS>;
  private readonly labels: LabelDomain;
  private readonly delay = monitorEventLoopDelay({ resolution: DELAY_SAMPLE_MS });
  private readonly collecting: Disposable;
  private utilization = performance.eventLoopUtilization();

  constructor(store: MetricStore, version: string) {
    this.of = store.open('agent', SPECS, '').instruments;
    this.labels = store.labels.domain('agent');
    this.of.retina_build_info.set(1, this.label(version), this.label(process.version));
    this.of.process_start_time_seconds.set((Date.now() - process.uptime() * 1000) / 1000);
    this.of.process_max_fds.set(maxFds());
    this.delay.enable();
    this.collecting = store.onCollect(() => this.collect());
  }

  label(text: string): number {
    return this.labels.id(text);
  }

  state(kind: 'plugin' | 'exporter', name: string, state: ComponentState): void {
    const gauge = kind === 'plugin' ? this.of.retina_plugin_state : this.of.retina_exporter_state;
    for (const one of STATES) gauge.set(one === state ? 1 : 0, this.label(name), this.label(one));
  }

  /** The component is no longer in the configuration. */
  forget(kind: 'plugin' | 'exporter', name: string): void {
    const gauge = kind === 'plugin' ? this.of.retina_plugin_state : this.of.retina_exporter_state;
    for (const one of STATES) gauge.remove(this.label(name), this.label(one));
  }

  /** Records a stage could not keep, for the new family and for the original's. */
  lost(stage: string, component: string, records: number): void {
    if (records === 0) return;
    this.of.retina_lost_records_total.add(records, this.label(stage), this.label(component));
    this.of.controlplane_networkobservability_lost_events_counter.add(
      records,
      this.label(stage),
      this.label(component),
    );
  }

  [Symbol.dispose](): void {
    this.delay.disable();
    this.collecting[Symbol.dispose]();
  }

  private collect(): void {
    const { of, delay } = this;
    for (const percent of [50, 99, 100]) {
      // The monitor measures whole periods, so its own resolution is no delay.
      const nanos = Math.max(0, delay.percentile(percent) - DELAY_SAMPLE_MS * 1e6);
      of.retina_event_loop_delay_seconds.set(delay.count ? nanos / 1e9 : 0, this.label(String(percent)));
    }
    delay.reset();
    const now = performance.eventLoopUtilization();
    of.retina_event_loop_utilization_ratio.set(performance.eventLoopUtilization(now, this.utilization).utilization);
    this.utilization = now;
    const { user, system } = process.cpuUsage();
    of.process_cpu_seconds_total.set((user + system) / 1e6);
    const { rss, heapTotal, heapUsed } = process.memoryUsage();
    of.process_resident_memory_bytes.set(rss);
    of.nodejs_heap_size_total_bytes.set(heapTotal);
    of.nodejs_heap_size_used_bytes.set(heapUsed);
    of.process_virtual_memory_bytes.set(virtualMemory());
    of.process_open_fds.set(openFds());
  }
}

function virtualMemory(): number {
  try {
    return Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[0]) * 4096;
  } catch {
    return 0;
  }
}

function openFds(): number {
  try {
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return 0;
  }
}

function maxFds(): number {
  try {
    return Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
