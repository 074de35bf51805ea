import type { Endpoint, FlowBatch, FlowDetails } from '@retina/sdk';
import { UNKNOWN_ENDPOINT } from '../identity/endpoint-spec.ts';
import { formatAddress } from '../identity/address.ts';
import type { FlowNames } from '../flows/json.ts';
import type { NatEnd, NatEnds } from '../flows/nat.ts';

type Words = NatEnd['words'];
/** Details with the bytes of a packet in base64. */
type DetailsJson = Omit<FlowDetails, 'packet'> & { readonly packet?: string };
type NatJson = readonly [
  row: number,
  before: 0 | 1,
  source: Words,
  sourcePort: number,
  destination: Words,
  destinationPort: number,
];

/** What the records of a block are about, at the time it was written. */
export interface NamesJson {
  readonly node?: string;
  readonly endpoints: readonly Omit<Endpoint, 'addresses'>[];
  readonly labels: readonly (readonly [id: number, text: string])[];
  readonly interfaces: readonly (readonly [ifindex: number, name: string])[];
  /** What DNS called an address. */
  readonly addresses: readonly (readonly [address: string, names: readonly string[]])[];
  readonly nat: readonly NatJson[];
  /** Endpoint ids of translated addresses. */
  readonly behind: readonly (readonly [words: string, id: number])[];
  readonly details: readonly (readonly [row: number, details: DetailsJson])[];
} // prettier-ignore

/** Gathers the names that a batch needs. */
export function namesOf(batch: FlowBatch, names: FlowNames): NamesJson {
  const endpoints = new Map<number, Endpoint>();
  const labels = new Map<number, string>();
  const interfaces = new Map<number, string>();
  const addresses = new Map<string, readonly string[]>();
  const behind = new Map<string, number>();
  const nat: NatJson[] = [];
  const details: [number, DetailsJson][] = [];
  const endpoint = (id: number): Endpoint => {
    let found = endpoints.get(id);
    if (!found) endpoints.set(id, (found = names.endpoint(id)));
    return found;
  };
  const label = (id: number) => void (id !== 0 && !labels.has(id) && labels.set(id, names.label(id)));
  const nameless = ({ kind }: Endpoint) => kind === 'unknown' || kind === 'world';
  const address = (bytes: Uint8Array) => {
    const known = names.addressNames?.(bytes) ?? [];
    if (known.length > 0) addresses.set(formatAddress(bytes), known);
  };
  for (let row = 0; row < batch.length; row++) {
    if (nameless(endpoint(batch.sourceEndpoint(row)))) address(batch.sourceAddress(row));
    if (nameless(endpoint(batch.destinationEndpoint(row)))) address(batch.destinationAddress(row));
    label(batch.dropReason(row));
    label(batch.dropLocation(row));
    const ifindex = batch.ifindex(row);
    if (ifindex !== 0 && !interfaces.has(ifindex)) interfaces.set(ifindex, names.interfaceName?.(ifindex) ?? '');
    const ends = names.translations?.of(batch, row);
    if (ends) {
      const { source, destination } = ends;
      nat.push([row, ends.before ? 1 : 0, source.words, source.port, destination.words, destination.port]);
      for (const { words } of [source, destination]) {
        const { id } = names.translations!.endpoint(words);
        behind.set(words.join(), id);
        if (!endpoints.has(id)) endpoints.set(id, names.translations!.endpoint(words));
      }
    }
    const more = batch.details(row);
    if (more) details.push([row, withBase64(more)]);
  }
  return {
    ...(names.nodeName !== undefined && { node: names.nodeName }),
    // The records go by the id they have, also where nobody knows it any more.
    endpoints: [...endpoints].map(([id, { addresses: _, ...one }]) => ({ ...one, id })),
    labels: [...labels],
    interfaces: [...interfaces].filter(([, name]) => name !== ''),
    addresses: [...addresses],
    nat,
    behind: [...behind],
    details,
  };
}

/** Names as a block has them. */
export class BlockNames implements FlowNames {
  readonly nodeName: string;
  readonly details: readonly (FlowDetails | undefined)[] | undefined;
  readonly translations: NonNullable<FlowNames['translations']>;
  private readonly endpoints: ReadonlyMap<number, Endpoint>;
  private readonly labels: ReadonlyMap<number, string>;
  private readonly interfaces: ReadonlyMap<number, string>;
  private readonly addresses: ReadonlyMap<string, readonly string[]>;

  constructor(json: NamesJson) {
    this.nodeName = json.node ?? '';
    this.endpoints = new Map(json.endpoints.map((one) => [one.id, { ...one, addresses: [] }]));
    this.labels = new Map(json.labels);
    this.interfaces = new Map(json.interfaces);
    this.addresses = new Map(json.addresses);
    if (json.details.length > 0) {
      const details: (FlowDetails | undefined)[] = [];
      for (const [row, one] of json.details) details[row] = fromBase64(one);
      this.details = details;
    }
    const nat = new Map<number, NatEnds>();
    for (const [row, before, source, sourcePort, destination, destinationPort] of json.nat) {
      nat.set(row, { before: before === 1, source: { words: source, port: sourcePort }, destination: { words: destination, port: destinationPort } }); // prettier-ignore
    }
    const behind = new Map(json.behind);
    this.translations = {
      of: (_, row) => nat.get(row),
      endpoint: (words) => this.endpoint(behind.get(words.join()) ?? 0),
    };
  }

  endpoint(id: number): Endpoint {
    return this.endpoints.get(id) ?? UNKNOWN_ENDPOINT;
  }
  label(id: number): string {
    return this.labels.get(id) ?? 'unknown';
  }
  interfaceName(ifindex: number): string | undefined {
    return this.interfaces.get(ifindex);
  }
  addressNames(address: Uint8Array): readonly string[] {
    return this.addresses.size === 0 ? [] : (this.addresses.get(formatAddress(address)) ?? []);
  }
}

function withBase64({ packet, ...rest }: FlowDetails): DetailsJson {
  return packet ? { ...rest, packet: Buffer.from(packet).toString('base64') } : rest;
}

function fromBase64({ packet, ...rest }: DetailsJson): FlowDetails {
  return packet === undefined ? rest : { ...rest, packet: new Uint8Array(Buffer.from(packet, 'base64')) };
}
