import { setImmediate as nextTurn } from 'node:timers/promises';

const SLICE_MS = 5;

/** Work in slices: `pause` comes back at once while there is time, and in the next turn of the event loop when there is none. */
export class Slice {
  #since = performance.now();

  get over(): boolean {
    return performance.now() - this.#since > SLICE_MS;
  }

  async pause(): Promise<void> {
    await nextTurn();
    this.#since = performance.now();
  }
}
