import { RetinaError } from '@retina/sdk';
import type { Part } from './part.ts';
import { Remotes } from './remotes.ts';
import { countSockets, FAMILIES, SocketCounts, STATES } from './sockets.ts';
import type { Tables } from './tables.ts';

/** Sockets by state, family and remote address. */
export class TcpStates {
  private readonly part: Part;
  private readonly tables: Tables;
  private refused: Disposable | undefined;

  constructor(part: Part, tables: Tables) {
    this.part = part;
    this.tables = tables;
  }

  async read(): Promise<void> {
    const { ctx, problems } = this.part;
    const { tcp, udp } = await this.tables.sockets();
    if (ctx.signal.aborted) return;
    if (udp === undefined) ctx.metrics.udp_connection_stats.clear();
    else ctx.metrics.udp_connection_stats.set(udp, ctx.label('ACTIVE'));
    const { maxSockets } = ctx.config;
    if (maxSockets === 0) return;
    if (tcp !== undefined && tcp > maxSockets) {
      problems.add('tcp_sockets', 'too_many', `there are ${tcp} TCP sockets; raise maxSockets to have them counted`);
      this.clear();
    } else {
      await this.dump();
    }
  }

  private async dump(): Promise<void> {
    const { ctx, problems } = this.part;
    try {
      const fresh = () => new SocketCounts(new Remotes(ctx.config.remotes));
      const counts = await countSockets(ctx.netlink, fresh);
      if (ctx.signal.aborted) return;
      if (counts.malformed > 0) problems.add('tcp_sockets', 'foreign', 'answers that are no socket', counts.malformed);
      this.report(counts);
      this.refused?.[Symbol.dispose]();
      this.refused = undefined;
    } catch (error) {
      if (ctx.signal.aborted) return;
      this.clear();
      problems.caught('tcp_sockets', error);
      if (error instanceof RetinaError) this.refused ??= ctx.degrade(error);
    }
  }

  /** Every state, also those no socket is in: what falls to zero is reported as zero. */
  private report(counts: SocketCounts): void {
    const { ctx } = this.part;
    const { tcp_state, tcp_sockets, tcp_connection_remote } = ctx.metrics;
    for (const [number, name] of Object.entries(STATES)) {
      const state = ctx.label(name);
      let sum = 0;
      for (const [i, family] of FAMILIES.entries()) {
        const sockets = counts.of(i, Number(number));
        tcp_sockets.set(sockets, state, ctx.label(family));
        sum += sockets;
      }
      tcp_state.set(sum, state);
    }
    tcp_connection_remote.clear();
    tcp_connection_remote.set(counts.connections, ctx.label('AllIPs'));
    for (const [address, connections] of counts.remotes.top()) {
      tcp_connection_remote.set(connections, ctx.label(address));
    }
  }

  /** No figure rather than an old one. */
  private clear(): void {
    const { tcp_state, tcp_sockets, tcp_connection_remote } = this.part.ctx.metrics;
    for (const family of [tcp_state, tcp_sockets, tcp_connection_remote]) family.clear();
  }
}
