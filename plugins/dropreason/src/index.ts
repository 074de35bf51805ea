import { statSync } from 'node:fs';
import { API, definePlugin, RetinaError, type BpfHandle, type PluginContext } from '@retina/sdk';
import { dropFlowsLayout, dropTotalsLayout } from './dropreason.gen.ts';
import { config, metrics, type Config } from './declarations.ts';
import { Drops } from './drops.ts';
import { NO_LOSS } from './loss.ts';
import { Reasons } from './reasons.ts';

const OBJECT = new URL('../dist/dropreason.bpf.o', import.meta.url);
const TOTALS_MS = 1000;
/** Dropped flows reported in a second above which they are read less often. */
const MANY_RECORDS = 1000;
/** Programs on kfree_skb by the number of arguments the running kernel's tracepoint has. */
const BY_ARGUMENTS: Readonly<Record<number, string>> = { 2: 'drop_bare', 3: 'drop_reason', 4: 'drop_socket' };

export default definePlugin({
  name: 'dropreason',
  api: API,
  description: 'Drops: every packet the kernel frees with a loss, by reason, direction and flow.',
  stability: 'beta',
  platforms: ['linux'],
  needs: { capabilities: ['BPF', 'PERFMON'], kernel: '5.10', btf: true },
  config,
  metrics,
  async setup(ctx) {
    const reasons = new Reasons(ctx.kernel);
    const { handle, program } = await load(ctx);
    if (!ctx.config.countNoLoss) {
      for (const [reason, name] of reasons.core()) {
        if (Object.hasOwn(NO_LOSS, name)) handle.update('drop_quiet', word32(reason), word64(1));
      }
    }
    const drops = new Drops(ctx, handle, reasons);
    handle.table('drop_totals', dropTotalsLayout, TOTALS_MS, (batch) => drops.totals(batch));
    const { intervalMs } = ctx.config;
    const flows = handle.table('drop_flows', dropFlowsLayout, intervalMs, (batch) => drops.flows(batch));
    let pace = intervalMs;
    ctx.every(TOTALS_MS, () => {
      drops.unattributed(handle.missed(program));
      // few drops are reported soon, a flood of them once a second
      const wanted = drops.takeRecords() > MANY_RECORDS ? Math.max(intervalMs, TOTALS_MS) : intervalMs;
      if (wanted === pace) return;
      flows.pace((pace = wanted));
    });
    handle.attach(program);
    try {
      handle.attach(program.startsWith('raw_') ? 'raw_connect' : 'connect');
    } catch (error) {
      ctx.degrade(
        RetinaError.from(error, 'RETINA_ATTACH_FAILED', 'Failed connects (TCP_CONNECT_BASIC) are not counted'),
      );
    }
  },
});

/** Loads the program that fits the kernel's tracepoint, typed where the kernel allows it, else raw. */
async function load(ctx: PluginContext<Config, typeof metrics>): Promise<{ handle: BpfHandle; program: string }> {
  const count = ctx.kernel.tracepointArguments('kfree_skb');
  const wanted = BY_ARGUMENTS[Math.min(count, 4)];
  if (!wanted) {
    throw new RetinaError('RETINA_KERNEL_UNSUPPORTED', 'The kernel has no tracepoint kfree_skb that is known', {
      found: count < 0 ? 'none' : `one of ${count} arguments`,
      needed: 'one of 2 to 4 arguments (Linux 5.10 and later, with BTF)',
      next: 'run `retina doctor` to see what this kernel offers',
    });
  }
  const options = (program: string, connect: string) => ({
    constants: scope(ctx.config.netns),
    maxEntries: { drop_flows_0: ctx.config.maxFlows, drop_flows_1: ctx.config.maxFlows },
    skipPrograms: ALL_PROGRAMS.filter((name) => name !== program && name !== connect),
  });
  try {
    return { handle: await ctx.bpf(OBJECT, options(wanted, 'connect')), program: wanted };
  } catch (error) {
    const { code } = RetinaError.from(error, 'RETINA_LOAD_FAILED', 'The object was not loaded');
    if (code !== 'RETINA_VERIFIER_REJECTED' && code !== 'RETINA_LOAD_FAILED') throw error;
    ctx.log.warn('the kernel refused the typed programs; trying the raw ones', { error: String(error) });
    const raw = `raw_${wanted}`;
    return { handle: await ctx.bpf(OBJECT, options(raw, 'raw_connect')), program: raw };
  }
}

const TYPED_PROGRAMS = [...Object.values(BY_ARGUMENTS), 'connect'];
const ALL_PROGRAMS = TYPED_PROGRAMS.flatMap((name) => [name, `raw_${name}`]);

/** The namespaces to count in, where the plugin's own option says it and not the host's. */
function scope(netns: Config['netns']): Readonly<Record<string, number>> {
  if (netns === undefined) return {};
  return { only_netns: netns === 'own' ? ownNetns() : 0, rt_node_only: 0 };
}

/** Inode number of this process's network namespace. */
function ownNetns(): number {
  return statSync('/proc/self/ns/net').ino;
}

function word32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function word64(value: number): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
}
