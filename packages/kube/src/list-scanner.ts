const [QUOTE, BACKSLASH, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = [...Buffer.from('"\\{}[]')] as [
  number, number, number, number, number, number,
]; // prettier-ignore

/** What is around a list's items. */
export interface ListEnvelope {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

/**
 * Cuts the JSON of a list into its items, whichever order the keys around them come in, so that a page of megabytes is
 * parsed one object at a time. Bytes in, texts out; what is not well-formed shows when an item or the rest is parsed.
 */
export class ListScanner {
  readonly #maxItemBytes: number;
  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Inside the top object's `items`. */
  #inItems = false;
  /** The last key or string directly inside the top object, with its quotes. */
  #lastTop = '';
  /** Of what is being collected, an item or a top-level string, what came with earlier pieces. */
  #begun: Buffer[] = [];
  #begunBytes = 0;
  /** Everything but the items. */
  readonly #rest: Buffer[] = [];
  #restBytes = 0;

  constructor(maxItemBytes: number) {
    this.#maxItemBytes = maxItemBytes;
  }

  /** The items that end in `piece`, in order. */
  *push(piece: Buffer): Generator<string, void, void> {
    let [start, restStart] = [0, this.#inItems ? -1 : 0];
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at]!;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) {
          this.#inString = false;
          if (this.#depth === 1) this.#lastTop = this.#take(piece, start, at + 1);
        }
        continue;
      }
      switch (byte) {
        case QUOTE:
          this.#inString = true;
          if (this.#depth === 1) start = at;
          break;
        case OPEN:
        case OPEN_LIST:
          this.#depth++;
          if (this.#inItems && this.#depth === 3) start = at;
          else if (byte === OPEN_LIST && this.#depth === 2 && this.#lastTop === '"items"') {
            this.#inItems = true;
            this.#keep(piece, restStart, at + 1);
            restStart = -1;
          }
          break;
        case CLOSE:
        case CLOSE_LIST:
          this.#depth--;
          if (!this.#inItems) break;
          if (this.#depth === 2) yield this.#take(piece, start, at + 1);
          else if (this.#depth === 1) {
            this.#inItems = false;
            restStart = at;
          }
          break;
        default:
      }
    }
    if (restStart >= 0) this.#keep(piece, restStart, piece.length);
    const collecting = this.#inItems ? this.#depth >= 3 : this.#inString && this.#depth === 1;
    if (collecting) this.#hold(piece, start);
  }

  /** Once everything has been pushed: what was around the items. Throws if the text was cut short. */
  end(): ListEnvelope {
    return JSON.parse(Buffer.concat(this.#rest).toString('utf8')) as ListEnvelope;
  }

  #take(piece: Buffer, start: number, end: number): string {
    if (this.#begun.length === 0) return piece.toString('utf8', start, end);
    const text = Buffer.concat([...this.#begun, piece.subarray(0, end)]).toString('utf8');
    this.#begun = [];
    this.#begunBytes = 0;
    return text;
  }

  #hold(piece: Buffer, start: number): void {
    const part = piece.subarray(this.#begun.length === 0 ? start : 0);
    this.#begun.push(part);
    this.#begunBytes += part.length;
    if (this.#begunBytes > this.#maxItemBytes)
      throw new RangeError(`an object is longer than ${this.#maxItemBytes} bytes`);
  }

  #keep(piece: Buffer, start: number, end: number): void {
    this.#rest.push(Buffer.from(piece.subarray(start, end)));
    this.#restBytes += end - start;
    if (this.#restBytes > this.#maxItemBytes) throw new RangeError('what is around the items is too long');
  }
}
