import { type FlowSource, type PluginContext, type RecordBatch, RetinaError } from '@retina/sdk';
import type { metrics } from './metrics.ts';
import { socketsLayout } from './sockets.gen.ts';

const OBJECT = new URL('../dist/sockets.bpf.o', import.meta.url);
const DRAIN_MS = 1000;
/** Arguments of tcp_retransmit_skb from which on it fires for what was not sent as well, and says so. */
const TELLS_ATTEMPTS = 3;
/** What is known by each tracepoint; without one of them there is less to know, and nothing else is missing. */
const KNOWN = { retransmits: 'retransmits', times: 'round-trip times of new connections' } as const;

/** Adds what the kernel's sockets know of TCP connections to their flows. A kernel that refuses costs that knowledge only. */
export async function followSockets(ctx: PluginContext<unknown, typeof metrics>, flows: FlowSource): Promise<void> {
  const degrade = (error: unknown, what: string) =>
    ctx.degrade(RetinaError.from(error, 'RETINA_ATTACH_FAILED', `Flow records go without ${what}`));
  const attempts = ctx.kernel.tracepointArguments('tcp_retransmit_skb') >= TELLS_ATTEMPTS;
  const [retransmit, unfit] = attempts ? ['retransmit_attempt', 'retransmit'] : ['retransmit', 'retransmit_attempt'];
  const programs = [[retransmit, KNOWN.retransmits], ['state', KNOWN.times]] as const; // prettier-ignore
  try {
    const object = await ctx.bpf(OBJECT, { skipPrograms: [unfit] });
    object.table('sockets', socketsLayout, DRAIN_MS, (batch) => {
      annotate(flows, batch);
      if (batch.lost > 0) ctx.metrics.flow_socket_updates_lost_total.add(batch.lost);
    });
    for (const [program, what] of programs) {
      try {
        object.attach(program);
      } catch (error) {
        degrade(error, what);
      }
    }
  } catch (error) {
    degrade(error, Object.values(KNOWN).join(' and '));
  }
}

function annotate(flows: FlowSource, batch: RecordBatch<typeof socketsLayout>): void {
  const { col } = batch;
  for (let row = 0; row < batch.length; row++) {
    flows.annotate({
      source: batch.bytes('local', row),
      destination: batch.bytes('remote', row),
      sourcePort: col.local_port(row),
      destinationPort: col.remote_port(row),
      protocol: col.protocol(row),
      rttMicros: col.rtt(row),
      retransmits: col.retransmits(row),
    });
  }
}
