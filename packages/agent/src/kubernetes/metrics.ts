import type { MetricStore } from '@retina/core';
import type { KubeClient, ReflectorCounts } from '@retina/kube';
import type { MetricSpecs } from '@retina/sdk';

const SPECS = {
  retina_kubernetes_objects: { kind: 'gauge', help: 'Objects of the cluster that are known.', labels: ['watch'] },
  retina_kubernetes_watch_up: {
    kind: 'gauge',
    help: 'Whether a collection of the cluster is followed: 0 while the API server refuses or does not answer.',
    labels: ['watch'],
  },
  retina_kubernetes_events_total: {
    kind: 'counter',
    help: 'Changes of objects that the API server told.',
    labels: ['watch'],
  },
  retina_kubernetes_lists_total: {
    kind: 'counter',
    help: 'Times a collection was read as a whole.',
    labels: ['watch'],
  },
  retina_kubernetes_failures_total: {
    kind: 'counter',
    help: 'Times a collection could not be read or followed, by status code or cause.',
    labels: ['watch', 'cause'],
  },
  retina_kubernetes_received_bytes_total: {
    kind: 'counter',
    help: 'What the API server sent.',
    unit: 'bytes',
    labels: ['watch'],
  },
  retina_kubernetes_requests_total: {
    kind: 'counter',
    help: 'Requests to the API server by verb and status code.',
    labels: ['verb', 'code'],
  },
} as const satisfies MetricSpecs;

/** What is read of a watch. */
export interface WatchReading {
  readonly name: string;
  readonly up: boolean;
  readonly objects: number;
  readonly counts: ReflectorCounts;
}

/** What the agent's part of the cluster costs, and whether it goes on. Read when somebody asks. */
export function showWatches(store: MetricStore, client: KubeClient, watches: () => Iterable<WatchReading>): Disposable {
  const open = store.open('kubernetes', SPECS, '');
  const { instruments: of } = open;
  const domain = store.labels.domain('kubernetes');
  const collecting = store.onCollect(() => {
    for (const { name, up, objects, counts } of watches()) {
      const watch = domain.id(name);
      of.retina_kubernetes_objects.set(objects, watch);
      of.retina_kubernetes_watch_up.set(up ? 1 : 0, watch);
      of.retina_kubernetes_events_total.set(counts.events, watch);
      of.retina_kubernetes_lists_total.set(counts.lists, watch);
      of.retina_kubernetes_received_bytes_total.set(counts.bytes, watch);
      for (const [cause, times] of counts.failures)
        of.retina_kubernetes_failures_total.set(times, watch, domain.id(cause));
    }
    for (const [key, times] of client.requests) {
      const [verb = '', code = ''] = key.split(' ');
      of.retina_kubernetes_requests_total.set(times, domain.id(verb), domain.id(code));
    }
  });
  return {
    [Symbol.dispose]: () => {
      collecting[Symbol.dispose]();
      open[Symbol.dispose]();
    },
  };
}
