import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** Why a reading gave nothing, or not all. */
export type Cause =
  'unreadable' | 'empty' | 'foreign' | 'too_long' | 'interrupted' | 'failed' | 'too_many' | 'vanished';

export class ReadError extends Error {
  readonly failure: Cause;

  constructor(failure: Cause, message: string, cause?: unknown) {
    super(message, { cause });
    this.failure = failure;
  }
}

/** The tables read here are some kilobytes; what is longer is something else. */
const LONGEST = 256 * 1024;

/** A table of /proc. Throws ReadError. */
export async function readTable(path: string): Promise<string> {
  let length = 0;
  const buffer = Buffer.allocUnsafe(LONGEST);
  try {
    // What is no file of /proc must not be waited for: opening a FIFO would be.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    while (length < LONGEST) {
      const { bytesRead } = await file.read(buffer, length, LONGEST - length, null);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new ReadError('unreadable', `${path} cannot be read: ${code}`, error);
  }
  if (length === 0) throw new ReadError('empty', `${path} is empty`);
  if (length === LONGEST) throw new ReadError('too_long', `${path} is longer than ${LONGEST} bytes`);
  return buffer.toString('latin1', 0, length);
}
