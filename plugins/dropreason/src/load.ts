import { statSync } from 'node:fs';
import { type BpfHandle, type PluginContext, RetinaError } from '@retina/sdk';
import type { Config, metrics } from './declarations.ts';
import { CHAIN_PROGRAMS, type ChainFunction, chainFunctions } from './netfilter/functions.ts';

type Context = PluginContext<Config, typeof metrics>;

const OBJECT = new URL('../dist/dropreason.bpf.o', import.meta.url);
/** Programs on kfree_skb by the number of arguments the running kernel's tracepoint has. */
const BY_ARGUMENTS: Readonly<Record<number, string>> = { 2: 'drop_bare', 3: 'drop_reason', 4: 'drop_socket' };
const TYPED_PROGRAMS = [...Object.values(BY_ARGUMENTS), 'connect'];
const ALL_PROGRAMS = [
  ...TYPED_PROGRAMS.flatMap((name) => [name, `raw_${name}`]),
  ...Object.values(CHAIN_PROGRAMS).flat(),
];

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
  if (ctx.config.chains) {
    const loaded = await loadWithChains(ctx, wanted, netfilterReason);
    if (loaded) return loaded;
  }
  try {
    return await attempt(ctx, wanted, 'connect', []);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    ctx.log.warn('the kernel refused the typed programs; trying the raw ones', { error: String(error) });
    return attempt(ctx, `raw_${wanted}`, 'raw_connect', []);
  }
}

/** With programs at as many chains as the kernel allows; says of which it does not. Undefined where it is none. */
async function loadWithChains(
  ctx: Context,
  drops: string,
  netfilterReason: number | undefined,
): Promise<Loaded | undefined> {
  const missed = (found: string, next: string, cause?: unknown) =>
    ctx.degrade(
      new RetinaError('RETINA_LOAD_FAILED', 'The chains of netfilter are not watched', { found, next, cause }),
    );
  const off = 'leave `chains` off; rules with a counter are named all the same';
  if (netfilterReason === undefined) return void missed('drops have no reason before Linux 5.17', off);
  const present = await chainFunctions();
  if (present.length === 0) {
    return void missed('neither nf_tables nor ip_tables is loaded', 'start the agent after the first rule is there');
  }
  let refused: unknown;
  const alone = present.length > 1 ? present.map((name) => [name]) : [];
  for (const functions of [present, ...alone]) {
    const programs = functions.flatMap((name: ChainFunction) => CHAIN_PROGRAMS[name]);
    try {
      const loaded = await attempt(ctx, drops, 'connect', programs, netfilterReason);
      const rest = present.filter((name) => !functions.includes(name));
      if (rest.length > 0) missed(`${rest.join(' and ')} refused: ${String(refused)}`, off, refused);
      return loaded;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      refused ??= error;
    }
  }
  return void missed(String(refused), off, refused);
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
