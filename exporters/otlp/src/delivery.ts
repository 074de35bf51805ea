import type { PartialDelivery } from '@retina/sdk';
import { RetinaError } from '@retina/sdk';

/** What became of the requests of one call. */
export class Delivery {
  /** Requests that arrived, some of their items refused or not. */
  private arrived = 0;
  private refused = 0;
  private cause: string | undefined;
  private firstRefusal: RetinaError | undefined;

  /** Something is settled: it arrived, or was refused for good. */
  get some(): boolean {
    return this.arrived > 0 || this.firstRefusal !== undefined;
  }

  /** An answer came; `rejected` items of the request were not accepted. */
  answered(rejected: number, message: string | undefined): void {
    this.arrived++;
    this.lose(rejected, message);
  }

  /** `items` were refused as a whole. Throws what concerns every request: credentials, a wrong address. */
  failed(error: unknown, items: number): void {
    if (!(error instanceof RetinaError) || error.code !== 'RETINA_EXPORT_REFUSED') throw error;
    if (this.arrived === 0 && this.firstRefusal) throw error; // two in a row and nothing arrived: it is not the content
    this.firstRefusal ??= error;
    this.lose(items, error.found);
  }

  lose(items: number, cause: string | undefined): void {
    this.refused += items;
    if (items > 0) this.cause ??= cause;
  }

  /** Throws the refusal if nothing arrived. */
  result(): PartialDelivery | undefined {
    if (this.arrived === 0 && this.firstRefusal) throw this.firstRefusal;
    if (this.refused === 0) return undefined;
    return { refused: this.refused, ...(this.cause !== undefined && { cause: this.cause }) };
  }
}

const count = (value: unknown): number => {
  const items = Number(value ?? 0); // JSON writes 64-bit integers as strings
  return Number.isSafeInteger(items) && items > 0 ? items : 0;
};

/** What a receiver says it rejected, at most `items`; an answer that makes no sense rejected nothing. */
export function rejection(
  read: () => { partialSuccess?: object } | undefined,
  key: string,
  items: number,
): { rejected: number; message: string | undefined } {
  try {
    const partial = (read()?.partialSuccess ?? {}) as Record<string, unknown>;
    const { errorMessage } = partial;
    const message = typeof errorMessage === 'string' && errorMessage !== '' ? errorMessage.slice(0, 300) : undefined;
    return { rejected: Math.min(items, count(partial[key])), message };
  } catch {
    return { rejected: 0, message: undefined };
  }
}
