import { FlowTop, type Host } from '@retina/core';
import { FLOW_STRIDE, FlowBatch } from '@retina/sdk';

/** After so long without a question nobody is looking any more. */
const IDLE_MS = 60_000;
/** Name under which the history's records enter: their flow ids mean nothing later. */
const HISTORY = 'history';

/**
 * The top table, kept only while somebody looks at it: adding every flow record to it costs more than anything else the
 * agent does with one. It starts from the history, so that the first answer already knows the last records.
 */
export class TopOnDemand implements Disposable {
  private readonly host: Host;
  private readonly timer: NodeJS.Timeout;
  private table: FlowTop | undefined;
  private sink: Disposable | undefined;
  private asked = 0;

  constructor(host: Host) {
    this.host = host;
    this.timer = setInterval(() => {
      if (this.table && Date.now() - this.asked > IDLE_MS) this.end();
    }, IDLE_MS / 4).unref();
  }

  /** The table as it is now. */
  get(): FlowTop {
    this.asked = Date.now();
    return (this.table ??= this.begin());
  }

  /** Records of ends or connections that had no room, as long as somebody looks. */
  get untracked(): number {
    return this.table?.untracked ?? 0;
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer);
    this.end();
  }

  private begin(): FlowTop {
    const { host } = this;
    let clock: number | undefined;
    const [oldest] = host.history.rows();
    if (oldest) clock = Math.min(Date.now(), oldest.batch.end(oldest.row));
    const table = new FlowTop(host.endpoints, () => clock ?? Date.now());
    for (const { batch, row } of host.history.rows()) {
      clock = Math.max(clock!, Math.min(Date.now(), batch.end(row)));
      const one = batch.buffer.subarray(row * FLOW_STRIDE, (row + 1) * FLOW_STRIDE);
      table.observe(new FlowBatch(one, 1), HISTORY);
    }
    clock = undefined;
    this.sink = host.flows.addSink('top', (batch, source) => table.observe(batch, source));
    return table;
  }

  private end(): void {
    this.sink?.[Symbol.dispose]();
    this.sink = undefined;
    this.table = undefined;
  }
}
