import { getSystemErrorName } from 'node:util';

/** Codes of `error` in the kernel program's records that are no errno. */
const OWN: Readonly<Record<number, string>> = { 0xfffe: 'given_up', 0xffff: 'unsent' };
/** Highest errno of Linux that programs see. */
const MAX_ERRNO = 133;

/** Why a connect came to nothing: the errno's name; `given_up` by its program after the SYN was sent again; `unsent` for want of a way or memory. */
export function errorName(code: number): string {
  const own = OWN[code];
  if (own) return own;
  if (code === 0 || code > MAX_ERRNO) return 'other';
  const name = getSystemErrorName(-code);
  return name.startsWith('E') ? name : `errno_${code}`;
}
