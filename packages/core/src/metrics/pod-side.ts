import type { Endpoint } from '@retina/sdk';
import type { ContextLabel } from '../config/schema.ts';
import { formatWords } from '../identity/address.ts';
import type { EndpointTable } from '../identity/table.ts';
import { resized, SeriesTable } from './series-table.ts';

/** The label values that an endpoint's identity gives, shared by all endpoints that read the same. */
interface Ident {
  readonly id: number;
  readonly key: string;
  /** One text per column; a column that is no matter of identity has an empty one. */
  readonly texts: readonly string[];
  readonly endpoints: Set<number>;
  /** Side values that use it. */
  refs: number;
  /** When its last endpoint went; 0 while one lives, or if it never had one. */
  deadAt: number;
}

/** A column of one side as it is rendered. */
type Column = 'ip' | 'port' | 'identity';

/**
 * One end of a flow as label values: address and identity become one small integer. Strings are made once per identity.
 * The port is no part of it: it has a place of its own in the series' key.
 */
export class PodSide {
  readonly hasPort: boolean;
  readonly width: number;
  private readonly columns: readonly Column[];
  private readonly labels: readonly ContextLabel[];
  private readonly hasIp: boolean;
  private readonly hasIdentity: boolean;
  private readonly endpoints: EndpointTable;
  private readonly table = new SeriesTable(5); // four words of the address, identity
  private refs = new Uint32Array(8);
  /** Without identity labels a side ends with the endpoint its address was last resolved to. */
  private lastEndpoint = new Uint32Array(8);
  private readonly idents = new Map<string, Ident>();
  private readonly identByEndpoint = new Map<number, Ident>();
  private readonly identById: (Ident | undefined)[] = [undefined];
  private readonly freeIdents: number[] = [];
  private readonly gone = new Map<number, number>();
  private readonly tuple = [0, 0, 0, 0, 0];

  constructor(endpoints: EndpointTable, labels: readonly ContextLabel[]) {
    this.endpoints = endpoints;
    this.labels = labels;
    this.columns = labels.flatMap((label): Column[] =>
      label === 'ip' || label === 'port' ? [label] : label === 'workload' ? ['identity', 'identity'] : ['identity'],
    );
    this.width = this.columns.length;
    this.hasIp = labels.includes('ip');
    this.hasPort = labels.includes('port');
    this.hasIdentity = this.columns.includes('identity');
  }

  /** The side's value for an endpoint and an address, made if need be. Not yet referenced. */
  intern(endpoint: number, w0: number, w1: number, w2: number, w3: number): number {
    const { tuple } = this;
    if (this.hasIp) {
      tuple[0] = w0;
      tuple[1] = w1;
      tuple[2] = w2;
      tuple[3] = w3;
    }
    const ident = this.hasIdentity ? this.ident(endpoint) : undefined;
    tuple[4] = ident?.id ?? 0;
    let value = this.table.find(tuple);
    if (value < 0) {
      value = this.table.insert(tuple);
      if (value >= this.refs.length) {
        this.refs = resized(this.refs, this.table.capacity);
        this.lastEndpoint = resized(this.lastEndpoint, this.table.capacity);
      }
      this.refs[value] = 0;
      if (ident) ident.refs++;
    }
    this.lastEndpoint[value] = endpoint;
    return value;
  }

  retain(value: number): void {
    this.refs[value]!++;
  }

  release(value: number): void {
    if (--this.refs[value]! > 0) return;
    const ident = this.identById[this.table.key(value, 4)];
    this.table.remove(value);
    if (ident && --ident.refs === 0) this.forget(ident);
  }

  text(value: number, column: number, port: number): string {
    const kind = this.columns[column];
    if (kind === 'port') return port > 65_535 ? 'unknown' : String(port);
    const { table } = this;
    if (kind === 'ip') {
      return formatWords(table.key(value, 0), table.key(value, 1), table.key(value, 2), table.key(value, 3));
    }
    return this.identById[table.key(value, 4)]!.texts[column]!;
  }

  /** When the endpoint behind a value went; 0 if it lives or was never known. */
  deadSince(value: number): number {
    if (this.hasIdentity) return this.identById[this.table.key(value, 4)]!.deadAt;
    return this.gone.get(this.lastEndpoint[value]!) ?? 0;
  }

  /** An endpoint is gone or has other labels now: what was made of it ends, unless others read the same. */
  detach(endpoint: number, now: number, removed: boolean): void {
    if (removed && !this.hasIdentity && this.hasIp) this.gone.set(endpoint, now);
    const ident = this.identByEndpoint.get(endpoint);
    if (!ident) return;
    this.identByEndpoint.delete(endpoint);
    ident.endpoints.delete(endpoint);
    if (ident.endpoints.size > 0) return;
    ident.deadAt = now;
    if (ident.refs === 0) this.forget(ident);
  }

  /** Drops the memory of endpoints that went before `time`. */
  prune(time: number): void {
    for (const [endpoint, at] of this.gone) if (at < time) this.gone.delete(endpoint);
  }

  private ident(endpoint: number): Ident {
    return this.identByEndpoint.get(endpoint) ?? this.newIdent(endpoint);
  }

  private newIdent(endpoint: number): Ident {
    const texts = this.labels.flatMap((label) => identityTexts(label, this.endpoints.byId(endpoint)));
    const key = texts.join('\0');
    let ident = this.idents.get(key);
    if (!ident) {
      const id = this.freeIdents.pop() ?? this.identById.length;
      ident = { id, key, texts, endpoints: new Set(), refs: 0, deadAt: 0 };
      this.idents.set(key, ident);
      this.identById[id] = ident;
    }
    ident.endpoints.add(endpoint);
    ident.deadAt = 0;
    this.identByEndpoint.set(endpoint, ident);
    return ident;
  }

  private forget(ident: Ident): void {
    if (ident.endpoints.size > 0) return;
    this.idents.delete(ident.key);
    this.identById[ident.id] = undefined;
    this.freeIdents.push(ident.id);
  }
}

function identityTexts(label: ContextLabel, endpoint: Endpoint): string[] {
  const known = (text: string | undefined) => text || 'unknown';
  switch (label) {
    case 'namespace':
      return [known(endpoint.namespace)];
    case 'podname':
      return [known(endpoint.name)];
    case 'workload':
      return [known(endpoint.workloads[0]?.kind), known(endpoint.workloads[0]?.name)];
    case 'service':
      return [known(endpoint.service)];
    case 'zone':
      return [known(endpoint.zone)];
    default:
      return [''];
  }
}
