/** Bodies that are kept for those that come next: as many as are on their way at a time. */
const SPARE = 4;
/** What their sizes are multiples of. */
const ROUND = 128 * 1024;

/** Copies of what was written, since the next request is written while they are sent. Their memory is used again. */
export class Bodies {
  private readonly spare: Uint8Array[] = [];

  copy(written: Uint8Array): Uint8Array {
    const size = written.length;
    let body = this.spare.pop();
    if (!body || body.length < size) body = new Uint8Array(Math.ceil(size / ROUND) * ROUND);
    body.set(written);
    return body.subarray(0, size);
  }

  /** Nobody reads it any more. */
  release(body: Uint8Array): void {
    if (this.spare.length < SPARE) this.spare.push(new Uint8Array(body.buffer));
  }
}
