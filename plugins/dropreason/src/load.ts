import { statSync } from 'node:fs';
import { type BpfHandle, type PluginContext, RetinaError } from '@retina/sdk';
import type { Config, metrics } from './declarations.ts';

type Context = PluginContext<Config, typeof metrics>;

const OBJECT = new URL('../dist/dropreason.bpf.o', import.meta.url);
/** Programs on kfree_skb by the number of arguments the running kernel's tracepoint has. */
const BY_ARGUMENTS: Readonly<Record<number, string>> = { 2: 'drop_bare', 3: 'drop_reason', 4: 'drop_socket' };
const TYPED_PROGRAMS = [...Object.values(BY_ARGUMENTS), 'connect'];
/** Programs that watch netfilter's chains: those of nf_tables, and those of iptables if it is there. */
const NFTABLES_PROGRAMS = ['chain_entered', 'chain_left'];
const IPTABLES_PROGRAMS = ['table_left', 'table6_left'];
const ALL_PROGRAMS = [
  ...TYPED_PROGRAMS.flatMap((name) => [name, `raw_${name}`]),
  ...NFTABLES_PROGRAMS,
  ...IPTABLES_PROGRAMS,
];

/** What to try, best first: iptables' functions are there only where the older one is used. */
const CHAIN_SETS = [2, 1, 0].map((tables) => [...NFTABLES_PROGRAMS, ...IPTABLES_PROGRAMS.slice(0, tables)]);

/** What was loaded: the program for drops, the one for connects, and those that watch chains. */
export interface Loaded {
  readonly handle: BpfHandle;
  readonly drops: string;
  readonly connects: string;
  readonly chains: readonly string[];
}

/**
 * Loads the program that fits the kernel's tracepoint, typed where the kernel allows it, else raw; and those that watch chains
 * where they are asked for and allowed: `netfilterReason` is the kernel's number of NETFILTER_DROP, undefined where it has none.
 */
export async function load(ctx: Context, netfilterReason: number | undefined): Promise<Loaded> {
  const count = ctx.kernel.tracepointArguments('kfree_skb');
  const wanted = BY_ARGUMENTS[Math.min(count, 4)];
  if (!wanted) {
    throw new RetinaError('RETINA_KERNEL_UNSUPPORTED', 'The kernel has no tracepoint kfree_skb that is known', {
      found: count < 0 ? 'none' : `one of ${count} arguments`,
      needed: 'one of 2 to 4 arguments (Linux 5.10 and later, with BTF)',
      next: 'run `retina doctor` to see what this kernel offers',
    });
  }
  let refused: unknown;
  for (const chains of ctx.config.chains && netfilterReason !== undefined ? CHAIN_SETS : []) {
    try {
      return await attempt(ctx, wanted, 'connect', chains, netfilterReason);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      refused = error;
    }
  }
  if (ctx.config.chains) {
    const next = 'leave `chains` off; rules with a counter are named all the same';
    const found = netfilterReason === undefined ? 'drops have no reason before Linux 5.17' : String(refused);
    ctx.degrade(
      new RetinaError('RETINA_LOAD_FAILED', 'The chains of netfilter are not watched', { found, next, cause: refused }),
    );
  }
  try {
    return await attempt(ctx, wanted, 'connect', []);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    ctx.log.warn('the kernel refused the typed programs; trying the raw ones', { error: String(error) });
    return attempt(ctx, `raw_${wanted}`, 'raw_connect', []);
  }
}

async function attempt(
  ctx: Context,
  drops: string,
  connects: string,
  chains: readonly string[],
  netfilterReason = 0,
): Promise<Loaded> {
  const { config } = ctx;
  const programs = [drops, connects, ...chains];
  const handle = await ctx.bpf(OBJECT, {
    constants: {
      ...scope(config.netns),
      own_netns: ownNetns(),
      sample_limit: config.samplesPerSecond,
      netfilter_reason: chains.length > 0 ? netfilterReason : 0,
    },
    maxEntries: { drop_flows_0: config.maxFlows, drop_flows_1: config.maxFlows },
    skipPrograms: ALL_PROGRAMS.filter((name) => !programs.includes(name)),
  });
  return { handle, drops, connects, chains };
}

function isRefusal(error: unknown): boolean {
  const { code } = RetinaError.from(error, 'RETINA_LOAD_FAILED', 'The object was not loaded');
  return code === 'RETINA_VERIFIER_REJECTED' || code === 'RETINA_LOAD_FAILED';
}

/** The namespaces to count in, where the plugin's own option says it and not the host's. */
function scope(netns: Config['netns']): Readonly<Record<string, number>> {
  if (netns === undefined) return {};
  return { only_netns: netns === 'own' ? ownNetns() : 0, rt_node_only: 0 };
}

/** Inode number of this process's network namespace. */
function ownNetns(): number {
  return statSync('/proc/self/ns/net').ino;
}
