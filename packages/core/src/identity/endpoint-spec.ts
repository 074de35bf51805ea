import type { Endpoint, EndpointKind } from '@retina/sdk';
import { formatWords, parseAddress } from './address.ts';
import { words } from './address-map.ts';

/** What a provider knows about one endpoint. */
export interface EndpointSpec {
  /** Unique within the provider, stable as long as it is the same thing. */
  readonly key: string;
  readonly kind: EndpointKind;
  readonly namespace?: string;
  readonly name: string;
  readonly workloads?: readonly { readonly kind: string; readonly name: string }[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly service?: string;
  readonly zone?: string;
  readonly node?: string;
  /** In text; what cannot be parsed is ignored. */
  readonly addresses?: readonly string[];
  /** Indexes of interfaces in the agent's namespace that lead to it and to nothing else. */
  readonly interfaces?: readonly number[];
  /** Inodes of its network namespaces. */
  readonly netns?: readonly number[];
  /** Its addresses are this host's own: traffic of theirs at an uplink is the host's traffic. */
  readonly host?: boolean;
  /** Its addresses cannot be listed: sources seen on its interfaces are taken as its own. */
  readonly learn?: boolean;
  /** A link joins it to the agent's namespace: packets seen there with an address that others claim, too, are its. */
  readonly near?: boolean;
  /** Chosen by an annotation or a selector, where pod-level metrics are kept for chosen endpoints only. */
  readonly observed?: boolean;
  /** Found by its interface; who it is, a provider of higher precedence says. */
  readonly anonymous?: boolean;
  /**
   * For a pod of this node: which run of it this is. The first namespace of this host that is found to have one of its
   * addresses is its own, and no other until this changes: an address that another pod has got meanwhile is not its.
   */
  readonly incarnation?: string;
}

/** One source of endpoints. Every change is visible to look-ups at once. */
export interface EndpointProvider {
  put(spec: EndpointSpec): void;
  remove(key: string): void;
  /** Makes `specs` all that this provider knows. What is equal stays untouched. */
  replace(specs: readonly EndpointSpec[]): void;
  /** Of all that it knows. */
  keys(): IterableIterator<string>;
}

/** A 16-byte address as four little-endian words. */
export type Words = readonly [number, number, number, number];

/** Whether two specs speak of the same thing, so that its id may stay. */
export function sameIdentity(a: EndpointSpec, b: EndpointSpec): boolean {
  return a.kind === b.kind && a.host === b.host && (a.namespace ?? '') === (b.namespace ?? '') && a.name === b.name;
}

/** All that may change about an endpoint while it stays the same. */
export function describes({ workloads, labels, service, zone, node, observed }: EndpointSpec): string {
  return JSON.stringify([workloads, labels, service, zone, node, observed ?? false]);
}

/** All that decides what leads to an endpoint, and what it is merged with. */
export function reaches(spec: EndpointSpec): string {
  const { addresses, interfaces, netns, learn, near, anonymous, incarnation } = spec;
  return JSON.stringify([addresses, interfaces, netns, learn, near, anonymous, incarnation]);
}

/** The addresses of a spec as canonical text, each once; what is no address is left out. */
export function addressesOf(spec: EndpointSpec): string[] {
  const texts = new Set<string>();
  for (const text of spec.addresses ?? []) {
    const bytes = parseAddress(text);
    if (bytes) texts.add(formatWords(...words(bytes)));
  }
  return [...texts];
}

/** The words of an address that {@link addressesOf} gave. */
export function wordsOf(canonical: string): Words {
  return words(parseAddress(canonical)!);
}

/** Stands for whoever is not known. */
export const UNKNOWN_ENDPOINT: Endpoint = Object.freeze({
  id: 0, kind: 'unknown', namespace: '', name: '', workloads: [], labels: {}, service: '', zone: '', node: '', addresses: [],
}); // prettier-ignore

export function toEndpoint(id: number, spec: EndpointSpec, addresses: readonly string[]): Endpoint {
  const { kind, namespace = '', name, workloads = [], labels = {}, service = '', zone = '', node = '' } = spec;
  return { id, kind, namespace, name, workloads, labels, service, zone, node, addresses };
}
