/** Steps that are taken in one turn of the event loop: some milliseconds, where each names a pod. */
const STEPS_A_TURN = 64;

/** Work in pieces, so that nobody waits for it: the first steps at once, the others in later turns of the event loop. */
export class Pieces {
  private readonly line: Iterator<void>[] = [];
  private next: NodeJS.Immediate | undefined;
  private busy = false;

  /** Each step of `work` is one; it comes after what was added before. */
  add(work: Iterator<void>): void {
    this.line.push(work);
    if (!this.next && !this.busy) this.turn();
  }

  /** Forgets what is left. */
  clear(): void {
    this.line.length = 0;
    clearImmediate(this.next);
    this.next = undefined;
  }

  private turn(): void {
    this.busy = true;
    for (let left = STEPS_A_TURN; left > 0 && this.line.length > 0; left--) {
      if (this.line[0]!.next().done) this.line.shift();
    }
    this.busy = false;
    this.next = this.line.length > 0 ? setImmediate(() => this.turn()) : undefined;
  }
}
