import { readFileSync } from 'node:fs';
import type { KubeClient } from '@retina/kube';
import { Registry } from './registry.ts';

/** What the operator tells about itself. */
export class OperatorMetrics {
  private readonly registry = new Registry();
  private readonly info = this.registry.gauge('retina_operator_build_info', 'Version of the operator; always 1.', ['version', 'node_version']); // prettier-ignore
  readonly leader = this.registry.gauge('retina_operator_leader', '1 while this replica leads.');
  readonly transitions = this.registry.counter('retina_operator_leader_transitions_total', 'Times this replica began to lead.'); // prettier-ignore
  readonly pods = this.registry.gauge('retina_operator_pods', 'Pods that ask for a RetinaEndpoint.');
  readonly endpoints = this.registry.gauge('retina_operator_retinaendpoints', 'RetinaEndpoints in the cluster.');
  readonly writes = this.registry.counter('retina_operator_writes_total', 'RetinaEndpoints written, by what was done.', ['verb']); // prettier-ignore
  readonly writeSeconds = this.registry.counter('retina_operator_write_seconds_total', 'Time the API server took for RetinaEndpoints that were written.'); // prettier-ignore
  readonly failures = this.registry.counter('retina_operator_write_failures_total', 'RetinaEndpoints that could not be written, by status code; each is tried again.', ['code']); // prettier-ignore
  readonly queueLength = this.registry.gauge('retina_operator_queue_length', 'RetinaEndpoints that wait to be written.'); // prettier-ignore
  readonly queueOldest = this.registry.gauge('retina_operator_queue_oldest_seconds', 'How long the one that waits longest has waited.'); // prettier-ignore
  readonly coalesced = this.registry.gauge('retina_operator_queue_coalesced', 'Changes that joined one that was waiting, since this replica began to lead.'); // prettier-ignore
  readonly resyncs = this.registry.counter('retina_operator_resyncs_total', 'Comparisons of everything with everything.'); // prettier-ignore
  readonly relists = this.registry.gauge('retina_operator_relists', 'Times a collection was read anew, since this replica began to lead.', ['resource']); // prettier-ignore
  readonly watchEvents = this.registry.gauge('retina_operator_watch_events', 'Changes the API server told of, since this replica began to lead.', ['resource']); // prettier-ignore
  readonly configurations = this.registry.gauge('retina_operator_metricsconfigurations', 'MetricsConfigurations by state.', ['state']); // prettier-ignore
  readonly crds = this.registry.gauge('retina_operator_crds_established', 'Custom resource definitions of Retina that are served.'); // prettier-ignore
  private readonly requests = this.registry.counter('retina_operator_api_requests_total', 'Requests to the API server, by verb and outcome.', ['verb', 'outcome']); // prettier-ignore
  private readonly cpu = this.registry.counter('process_cpu_seconds_total', 'CPU time of this process, user and system.'); // prettier-ignore
  private readonly rss = this.registry.gauge('process_resident_memory_bytes', 'Resident memory.');
  private readonly start = this.registry.gauge('process_start_time_seconds', 'Start of the process since the Unix epoch.'); // prettier-ignore
  private readonly heap = this.registry.gauge('nodejs_heap_size_used_bytes', 'Heap that JavaScript uses.');

  constructor(version: string) {
    this.info.set(1, version, process.version);
    this.start.set((Date.now() - process.uptime() * 1000) / 1000);
    this.registry.reading(() => {
      const { user, system } = process.cpuUsage();
      this.cpu.set((user + system) / 1e6);
      this.rss.set(residentBytes());
      this.heap.set(process.memoryUsage().heapUsed);
    });
  }

  /** Counts what `client` sends. */
  follow(client: KubeClient): void {
    this.registry.reading(() => {
      for (const [key, count] of client.requests) {
        const [verb = '', outcome = ''] = key.split(' ');
        this.requests.set(count, verb, outcome);
      }
    });
  }

  /** Runs before each reading, until the function it returns is called. */
  reading(read: () => void): () => void {
    return this.registry.reading(read);
  }

  /** In the Prometheus text format. */
  text(): string {
    return this.registry.text();
  }
}

/** Without the heap statistics that `process.memoryUsage()` takes along. */
function residentBytes(): number {
  try {
    return Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[1]) * 4096;
  } catch {
    return process.memoryUsage.rss();
  }
}
