/** Where lines go. */
export interface Target {
  /**
   * Writes whole lines. Resolves with the number of bytes that are written: all of them, or fewer where the signal was aborted first.
   * What is left of a line that was begun is written by the next call, before its own lines. Throws RETINA_EXPORT_RETRY, and nothing of
   * `lines` is written then. The bytes are the caller's again once it has ended.
   */
  write(lines: Uint8Array, signal: AbortSignal): Promise<number>;
}
