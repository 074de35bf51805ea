import { type AttributeWriter, address, type Block, type Key } from './attribute-writer.ts';

interface Remembered {
  readonly owner: object | undefined;
  readonly json: string;
}

/** Blocks of one kind that are kept: what is on one node, many times over. */
const MOST_KEPT = 4096;

/** Writes attributes as OTLP's JSON, without an object in between; what many records share is the text of the last time. */
export class AttributeJson implements AttributeWriter {
  /** Elements of the array, each behind a comma. */
  private json = '';
  private readonly kept: Record<Block, Map<number, Remembered>> = {
    terms: new Map(), src: new Map(), dst: new Map(), srcOwner: new Map(), dstOwner: new Map(),
  }; // prettier-ignore
  /** Where the block begins that is being written out. Blocks do not nest. */
  private blockStart = 0;

  /** Elements of the array since the last time this was asked. */
  take(): string {
    const { json } = this;
    this.json = '';
    return json.slice(1);
  }

  text({ json }: Key, value: string): void {
    this.json += `${json}"stringValue":${JSON.stringify(value)}}}`;
  }

  number({ json }: Key, value: number): void {
    if (Number.isInteger(value)) this.json += `${json}"intValue":${value}}}`;
    else this.json += `${json}"doubleValue":${Number.isFinite(value) ? value : 'null'}}}`;
  }

  flag({ json }: Key, value: boolean): void {
    this.json += `${json}"boolValue":${value}}}`;
  }

  texts({ json }: Key, values: readonly string[]): void {
    const all = values.map((value) => `{"stringValue":${JSON.stringify(value)}}`);
    this.json += `${json}"arrayValue":{"values":[${all.join()}]}}}`;
  }

  address({ json }: Key, bytes: Uint8Array): void {
    this.json += `${json}"stringValue":"${address(bytes)}"}}`;
  }

  recall(block: Block, id: number, owner: object | undefined): boolean {
    const known = this.kept[block].get(id);
    if (known && known.owner === owner) {
      this.json += known.json;
      return true;
    }
    this.blockStart = this.json.length;
    return false;
  }

  remember(block: Block, id: number, owner: object | undefined): void {
    const kept = this.kept[block];
    if (kept.size >= MOST_KEPT) kept.clear();
    kept.set(id, { owner, json: this.json.slice(this.blockStart) });
  }
}
