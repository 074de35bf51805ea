import type { PolicyDetails } from '@retina/sdk';

const NFTABLES = 1;
const NAME_LENGTH = 60;
const HOOKS = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'] as const;
const FAMILIES: Readonly<Record<number, string>> = {
  1: 'inet',
  2: 'ip',
  3: 'arp',
  5: 'netdev',
  7: 'bridge',
  10: 'ip6',
};

/** The name of a chain as the kernel program wrote it down: kind, family, hook, table, chain. */
export function chainName(value: Uint8Array | undefined): PolicyDetails | undefined {
  if (!value || value.length < 12 + 2 * NAME_LENGTH) return undefined;
  const view = new DataView(value.buffer, value.byteOffset);
  const family = view.getUint32(4, true);
  const hook = view.getUint32(8, true);
  const table = text(value.subarray(12, 12 + NAME_LENGTH));
  const nftables = view.getUint32(0, true) === NFTABLES;
  const chain = nftables
    ? text(value.subarray(12 + NAME_LENGTH, 12 + 2 * NAME_LENGTH))
    : (HOOKS[hook] ?? `hook ${hook}`);
  if (!table || !chain) return undefined;
  if (nftables) return { kind: 'nftables', name: `${FAMILIES[family] ?? family}/${table}/${chain}` };
  return { kind: family === 10 ? 'ip6tables' : 'iptables', name: `${table}/${chain}` };
}

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
