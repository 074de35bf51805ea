const UNITS: Readonly<Record<string, number>> = { '': 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 1024, MiB: 1_048_576, GiB: 1_073_741_824 }; // prettier-ignore

/** Bytes of a size such as `16MiB`, `500KB` or `4096`; undefined if it is none. */
export function parseSize(text: string): number | undefined {
  const [, amount, unit] = /^(\d+(?:\.\d+)?) ?([KMG]i?B|B|)$/.exec(text) ?? [];
  return amount === undefined ? undefined : Math.round(Number(amount) * UNITS[unit!]!);
}
