import type { ServiceFacts, SliceFacts } from './facts.ts';

type Labels = Readonly<Record<string, string>>;

/** Which service a pod stands behind: by selectors, and by slices where a service has none. */
export class Services {
  private readonly services = new Map<string, ServiceFacts>();
  /** By namespace and the first pair of their selector. */
  private readonly bySelector = new Map<string, Set<ServiceFacts>>();
  private readonly slices = new Map<string, SliceFacts>();
  private readonly byPod = new Map<string, Map<string, string>>();

  get(key: string): ServiceFacts | undefined {
    return this.services.get(key);
  }

  list(): MapIterator<[string, ServiceFacts]> {
    return this.services.entries();
  }

  listSlices(): MapIterator<[string, SliceFacts]> {
    return this.slices.entries();
  }

  /** Takes a service over, or away; what it was before. */
  put(key: string, facts: ServiceFacts | undefined): ServiceFacts | undefined {
    const before = this.services.get(key);
    if (before) this.index(before, false);
    if (facts) {
      this.services.set(key, facts);
      this.index(facts, true);
    } else this.services.delete(key);
    return before;
  }

  /** Takes a slice over, or away; what it was before. */
  putSlice(key: string, facts: SliceFacts | undefined): SliceFacts | undefined {
    const before = this.slices.get(key);
    for (const pod of before?.pods ?? []) {
      const names = this.byPod.get(pod);
      names?.delete(key);
      if (names?.size === 0) this.byPod.delete(pod);
    }
    if (facts) this.slices.set(key, facts);
    else this.slices.delete(key);
    for (const pod of facts?.pods ?? []) {
      let names = this.byPod.get(pod);
      if (!names) this.byPod.set(pod, (names = new Map<string, string>()));
      names.set(key, facts!.service);
    }
    return before;
  }

  /** The name of the service in front of a pod: of several one with a cluster address, then the first by name; else ''. */
  of(pod: string, namespace: string, labels: Labels): string {
    let best: ServiceFacts | undefined;
    for (const [key, value] of Object.entries(labels)) {
      for (const service of this.bySelector.get(selectorKey(namespace, key, value)) ?? []) {
        if (selects(service, labels) && (!best || comesBefore(service, best))) best = service;
      }
    }
    return best?.name ?? [...(this.byPod.get(pod)?.values() ?? [])].sort()[0] ?? '';
  }

  private index(service: ServiceFacts, add: boolean): void {
    const first = service.selector?.[0];
    if (!first) return;
    const key = selectorKey(service.namespace, ...first);
    const set = this.bySelector.get(key) ?? new Set();
    if (add) set.add(service);
    else set.delete(service);
    if (set.size > 0) this.bySelector.set(key, set);
    else this.bySelector.delete(key);
  }
}

export function selects({ selector }: ServiceFacts, labels: Labels): boolean {
  return selector !== undefined && selector.every(([key, value]) => labels[key] === value);
}

function comesBefore(a: ServiceFacts, b: ServiceFacts): boolean {
  const headless = (one: ServiceFacts) => one.clusterAddresses.length === 0;
  return headless(a) === headless(b) ? a.name < b.name : headless(b);
}

function selectorKey(namespace: string, key: string, value: string): string {
  return `${namespace}\0${key}\0${value}`;
}
