import { API, definePlugin, RetinaError } from '@retina/sdk';
import { Connection, type ConnectionEnd, type EndCause } from './connection.ts';
import { config, metrics } from './declarations.ts';
import { Observer } from './observer.ts';

const NEXT: Readonly<Record<EndCause, string>> = {
  missing: 'start the Cilium agent on this node, mount the directory of its socket, or set monitorSockPath',
  refused: 'start the Cilium agent: its socket is there, but nobody listens on it',
  denied: 'run as root or as a member of the group that owns the socket (cilium)',
  closed: 'nothing, if the Cilium agent restarts; else see its log',
  cut: 'nothing, if the Cilium agent restarts; else see its log',
  protocol: "see whether monitorSockPath is Cilium's monitor1_2.sock, and report the release of Cilium",
  error: "see the Cilium agent's log",
};

export default definePlugin({
  name: 'ciliumeventobserver',
  api: API,
  description:
    "Flow records from a Cilium agent's monitor socket: drops, traces, policy verdicts, captures, and its proxies' DNS and HTTP.",
  stability: 'beta',
  platforms: ['linux'],
  needs: { capabilities: [], mounts: ['/var/run/cilium'] },
  config,
  metrics,
  async setup(ctx) {
    const { monitorSockPath, reconnectMs, reconnectMaxMs } = ctx.config;
    const { cilium_connected, cilium_disconnects_total } = ctx.metrics;
    const observer = new Observer(ctx);
    let lack: { readonly found: string; readonly condition: Disposable } | undefined;
    const whole = () => {
      lack?.condition[Symbol.dispose]();
      lack = undefined;
    };
    const unreachable = ({ cause, found: said }: ConnectionEnd) => {
      const found = cause === 'missing' ? `no socket at ${monitorSockPath}` : `${said} (${monitorSockPath})`;
      if (lack?.found === found) return;
      const error = new RetinaError('RETINA_SOURCE_UNREACHABLE', "Cilium's monitor socket cannot be read", {
        found,
        needed: 'a Cilium agent that serves it',
        next: `${NEXT[cause]}; it is tried again and again meanwhile`,
        retryable: true,
      });
      const condition = ctx.degrade(error);
      whole();
      lack = { found, condition };
    };
    cilium_connected.set(0);
    const connection = new Connection(
      monitorSockPath,
      { firstMs: reconnectMs, maxMs: reconnectMaxMs },
      {
        connected() {
          cilium_connected.set(1);
          whole();
          ctx.log.info("connected to Cilium's monitor socket", { path: monitorSockPath });
          return observer.stream();
        },
        ended(end, waitMs) {
          cilium_connected.set(0);
          cilium_disconnects_total.add(1, ctx.label(end.cause));
          ctx.log.debug("not connected to Cilium's monitor socket", { ...end, waitMs });
          unreachable(end);
        },
      },
    );
    ctx.defer(function lastRecords() {
      observer.flush();
    });
    ctx.use(connection);
    await connection.open();
  },
});
