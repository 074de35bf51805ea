import { randomBytes } from 'node:crypto';

/** Differs per process: what is hashed comes from packets, and nobody shall craft messages that collide. */
export const SEED = randomBytes(4).readInt32LE();
export const SEED_2 = randomBytes(4).readInt32LE();

/** One round: every word goes through it. */
export function mix(hash: number, word: number): number {
  const h = Math.imul(hash ^ word, 0x9e3779b1);
  return h ^ (h >>> 15);
}

/**
 * Spreads what the last rounds left in the upper bits over all of them: {@link mix} carries differences up, not down, and
 * addresses differ in their last byte, which is a word's highest.
 */
export function spread(hash: number): number {
  let h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** A hash of bytes from `from` to `end`, taken four at a time. */
export function hashBytes(seed: number, bytes: Uint8Array, from: number, end: number): number {
  let hash = seed;
  let at = from;
  for (; at + 4 <= end; at += 4) {
    hash = mix(hash, bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
  }
  let rest = end - from;
  for (; at < end; at++) rest = (rest << 8) | bytes[at]!;
  return mix(hash, rest);
}
