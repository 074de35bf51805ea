import { API, definePlugin, RetinaError, type BpfHandle, type PluginContext } from '@retina/sdk';
import { config, metrics, type Config } from './declarations.ts';
import { Retransmits } from './retransmits.ts';
import { retransmitsLayout } from './tcpretrans.gen.ts';

type Context = PluginContext<Config, typeof metrics>;

const OBJECT = new URL('../dist/tcpretrans.bpf.o', import.meta.url);
const REST_MS = 1000;
/** Programs on tcp_retransmit_skb by the number of arguments the running kernel's tracepoint has. */
const BY_ARGUMENTS: Readonly<Record<number, string>> = { 2: 'retransmit', 3: 'retransmit_attempt' };
/** What goes missing without each of the other programs. */
const OTHERS = {
  synack: { tracepoint: 'tcp_retransmit_synack', missing: 'SYN-ACKs that are sent again are not counted' },
  destroy: { tracepoint: 'tcp_destroy_sock', missing: 'retransmissions that were not needed are told apart late or never' },
} as const; // prettier-ignore
/** Makes duplicates known sooner, on kernels that have it. */
const SOONER = { recover: 'tcp_cong_state_set' } as const;
const TYPED = [...Object.values(BY_ARGUMENTS), ...Object.keys(OTHERS), ...Object.keys(SOONER)];

export default definePlugin({
  name: 'tcpretrans',
  api: API,
  description: 'TCP retransmissions by kind and endpoint, segment by segment as the kernel counts them.',
  stability: 'beta',
  platforms: ['linux'],
  needs: { capabilities: ['BPF', 'PERFMON'], kernel: '5.10', btf: true },
  config,
  metrics,
  async setup(ctx) {
    const { handle, prefix, retransmit } = await load(ctx);
    const retransmits = new Retransmits(ctx, handle);
    handle.table('retransmits', retransmitsLayout, ctx.config.intervalMs, (batch) => retransmits.take(batch));
    const counting = [prefix + retransmit];
    ctx.every(REST_MS, () => retransmits.rest(counting));
    handle.attach(prefix + retransmit);
    for (const [program, { missing }] of Object.entries(OTHERS)) {
      try {
        handle.attach(prefix + program);
        counting.push(prefix + program);
      } catch (error) {
        ctx.degrade(RetinaError.from(error, 'RETINA_ATTACH_FAILED', `A tracepoint of TCP is refused: ${missing}`));
      }
    }
    for (const [program, tracepoint] of Object.entries(SOONER)) {
      if (ctx.kernel.tracepointArguments(tracepoint) >= 0) handle.attach(prefix + program);
    }
  },
});

/** Loads the program that fits the kernel's tracepoint, and the others: typed where the kernel allows it, else raw. */
async function load(ctx: Context): Promise<{ handle: BpfHandle; prefix: string; retransmit: string }> {
  const count = ctx.kernel.tracepointArguments('tcp_retransmit_skb');
  const retransmit = BY_ARGUMENTS[Math.min(count, 3)];
  if (!retransmit) {
    throw new RetinaError(
      'RETINA_KERNEL_UNSUPPORTED',
      'The kernel has no tracepoint tcp_retransmit_skb that is known',
      {
        found: count < 0 ? 'none' : `one of ${count} arguments`,
        needed: 'one of 2 or 3 arguments (Linux 5.10 and later, with BTF)',
        next: 'run `retina doctor` to see what this kernel offers',
      },
    );
  }
  const absent = Object.entries({ ...SOONER })
    .filter(([, tracepoint]) => ctx.kernel.tracepointArguments(tracepoint) < 0)
    .map(([program]) => program);
  const wanted = new Set(
    [retransmit, ...Object.keys(OTHERS), ...Object.keys(SOONER)].filter((p) => !absent.includes(p)),
  );
  const options = (prefix: string) => ({
    maxEntries: {
      retransmits_0: ctx.config.maxFlows,
      retransmits_1: ctx.config.maxFlows,
      retrans_duplicates: ctx.config.maxFollowed,
    },
    skipPrograms: ['', 'raw_'].flatMap((kind) =>
      TYPED.filter((program) => kind !== prefix || !wanted.has(program)).map((program) => kind + program),
    ),
  });
  try {
    return { handle: await ctx.bpf(OBJECT, options('')), prefix: '', retransmit };
  } catch (error) {
    const { code } = RetinaError.from(error, 'RETINA_LOAD_FAILED', 'The object was not loaded');
    if (code !== 'RETINA_VERIFIER_REJECTED' && code !== 'RETINA_LOAD_FAILED') throw error;
    ctx.log.warn('the kernel refused the typed programs; trying the raw ones', { error: String(error) });
    return { handle: await ctx.bpf(OBJECT, options('raw_')), prefix: 'raw_', retransmit };
  }
}
