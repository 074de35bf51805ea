import type { Endpoint, FlowBatch, FlowFilterTerms, FlowJson, FlowPredicate, FlowReader, Tap } from '@retina/sdk';
import { flowFilter } from '../flows/filter.ts';
import { flowJson, type FlowNames } from '../flows/json.ts';
import type { FlowPipeline } from '../flows/pipeline.ts';
import type { EndpointTable } from '../identity/table.ts';
import type { AddressNameTable } from '../node/address-names.ts';

/** Interfaces whose names are remembered, those that are gone included. */
const MAX_INTERFACES = 65_536;

/** What of the host it asks. */
export interface FlowNamingSources {
  readonly endpoints: EndpointTable;
  readonly names: AddressNameTable;
  readonly flows: FlowPipeline;
  readonly config: { readonly nodeName: string };
  labelText(id: number): string;
  watchTaps(listener: (tap: Tap) => void): Disposable;
}

/** What flow records are about, in words: for the flow log, the local API and exporters. */
export class FlowNaming implements FlowNames, FlowReader, Disposable {
  readonly nodeName: string;
  readonly translations: NonNullable<FlowNames['translations']>;
  private readonly sources: FlowNamingSources;
  private readonly interfaces = new Map<number, string>();
  private readonly watch: Disposable;

  constructor(sources: FlowNamingSources) {
    const { endpoints, flows, config } = sources;
    this.sources = sources;
    this.nodeName = config.nodeName;
    this.translations = {
      of: (batch, row) => flows.translations.of(batch, row),
      endpoint: (words) => endpoints.byId(endpoints.find(...words)),
    };
    this.watch = sources.watchTaps(({ ifindex, name }) => this.remember(ifindex, name));
  }

  [Symbol.dispose](): void {
    this.watch[Symbol.dispose]();
  }

  endpoint(id: number): Endpoint {
    return this.sources.endpoints.recall(id);
  }
  label(id: number): string {
    return this.sources.labelText(id);
  }
  interfaceName(ifindex: number): string | undefined {
    return this.interfaces.get(ifindex);
  }
  addressNames(address: Uint8Array): readonly string[] {
    return this.sources.names.of(address);
  }

  json(batch: FlowBatch, row: number): FlowJson {
    return flowJson(batch, row, this);
  }

  filter(terms: FlowFilterTerms): FlowPredicate {
    const query = new URLSearchParams();
    for (const [key, values] of Object.entries(terms)) for (const value of [values].flat()) query.append(key, value);
    return flowFilter(query, this);
  }

  /** Interfaces that have gone keep their name for the records they left, however short they lived. */
  private remember(ifindex: number, name: string): void {
    this.interfaces.set(ifindex, name);
    if (this.interfaces.size <= MAX_INTERFACES) return;
    const [oldest] = this.interfaces.keys();
    this.interfaces.delete(oldest!);
  }
}
