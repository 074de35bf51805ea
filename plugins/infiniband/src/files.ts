import { constants } from 'node:fs';
import { open, opendir } from 'node:fs/promises';

/** Why a file or folder of the tree gave nothing. */
export type Problem = 'vanished' | 'unreadable' | 'not_a_number' | 'too_long' | 'too_many';
export const PROBLEMS: readonly Problem[] = ['vanished', 'unreadable', 'not_a_number', 'too_long', 'too_many'];

export class TreeError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem, message: string, cause?: unknown) {
    super(message, { cause });
    this.problem = problem;
  }
}

/** A counter is at most 20 digits and a line feed. */
const LONGEST_FILE = 64;
/** Of a folder: beyond it lies no sysfs. */
const MOST_ENTRIES = 4096;
const U64_MAX = (1n << 64n) - 1n;
const GONE = new Set(['ENOENT', 'ENODEV', 'ENXIO', 'ENOTDIR']);

/** Names in a folder, sorted. Throws TreeError. */
export async function entries(folder: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of await opendir(folder)) {
      if (names.push(name) > MOST_ENTRIES) break;
    }
  } catch (error) {
    throw explained(error, folder);
  }
  if (names.length > MOST_ENTRIES) {
    throw new TreeError('too_many', `${folder} has more than ${MOST_ENTRIES} entries and is no folder of sysfs`);
  }
  return names.sort();
}

/** The number a file holds, 0 to 2^64 - 1. Throws TreeError. */
export async function readNumber(file: string): Promise<bigint> {
  const buffer = Buffer.alloc(LONGEST_FILE);
  let length: number;
  try {
    // What is no file of sysfs must not be waited for: opening a FIFO would be.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    ({ bytesRead: length } = await handle.read(buffer, 0, LONGEST_FILE, null));
  } catch (error) {
    throw explained(error, file);
  }
  const text = buffer.toString('latin1', 0, length).trim();
  if (length === LONGEST_FILE) throw new TreeError('too_long', `${file} is longer than a number`);
  const value = /^\d{1,20}$/.test(text) ? BigInt(text) : -1n;
  if (value < 0n || value > U64_MAX) throw new TreeError('not_a_number', `${file} holds ${JSON.stringify(text)}`);
  return value;
}

function explained(error: unknown, path: string): TreeError {
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  return new TreeError(GONE.has(code) ? 'vanished' : 'unreadable', `${path} cannot be read: ${code}`, error);
}
