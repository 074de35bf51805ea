import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { get } from 'node:http';
import { connect } from 'node:net';
import { DEMO_PODS, DEMO_PORTS } from './plan.ts';

/** Bounded rates, in milliseconds between two of a kind. Together about 130 packets and 200 kB per second. */
const EVERY = { http: 200, dns: 250, stream: 25, deniedUdp: 200, refused: 1000, deniedTcp: 3000 } as const;
const BODY_SIZES = [512, 4096, 20_000, 90_000];
const NAMES = ['server.demo.svc.cluster.local', 'resolver.demo.svc.cluster.local', 'absent.demo.svc.cluster.local'];

/** Speaks to the other pods by IPv4 and IPv6 in turn: HTTP, DNS, a UDP stream, refused and dropped attempts. */
export function runClient(): void {
  const server = DEMO_PODS.find((p) => p.role === 'server')!;
  const resolverPod = DEMO_PODS.find((p) => p.role === 'resolver')!;
  const address = (turn: number) => (turn % 2 === 0 ? server.ipv4 : server.ipv6);

  repeat(EVERY.http, (turn) => {
    const path = `/items?size=${BODY_SIZES[(turn >> 1) % BODY_SIZES.length]!}`;
    const signal = AbortSignal.timeout(5000);
    get({ host: address(turn), port: DEMO_PORTS.http, path, agent: false, signal }, (r) =>
      r.on('error', () => {}).resume(),
    ).on('error', () => {}); // the server may not be up yet
  });

  const resolvers = [resolverPod.ipv4, `[${resolverPod.ipv6}]`].map((host) => {
    const resolver = new Resolver({ timeout: 1000, tries: 1 });
    resolver.setServers([`${host}:${DEMO_PORTS.dns}`]);
    return resolver;
  });
  repeat(EVERY.dns, (turn) => {
    const name = NAMES[(turn >> 1) % NAMES.length]!;
    const resolver = resolvers[turn % 2]!;
    void (turn % 4 < 2 ? resolver.resolve4(name) : resolver.resolve6(name)).catch(() => {}); // NXDOMAIN is expected
  });

  const udp4 = createSocket('udp4').on('error', () => {});
  const udp6 = createSocket('udp6').on('error', () => {});
  const payload = Buffer.alloc(400, 'stream ');
  const send = (turn: number, port: number) => {
    if (turn % 2 === 0) udp4.send(payload, port, server.ipv4, () => {});
    else udp6.send(payload, port, server.ipv6, () => {});
  };
  repeat(EVERY.stream, (turn) => send(turn, DEMO_PORTS.stream));
  repeat(EVERY.deniedUdp, (turn) => send(turn, DEMO_PORTS.deniedUdp));

  const attempt = (turn: number, port: number) => {
    const socket = connect({ host: address(turn), port });
    const giveUp = setTimeout(() => socket.destroy(), 1500);
    socket
      .on('connect', () => socket.destroy())
      .on('error', () => {})
      .on('close', () => clearTimeout(giveUp));
  };
  repeat(EVERY.refused, (turn) => attempt(turn, DEMO_PORTS.closed));
  repeat(EVERY.deniedTcp, (turn) => attempt(turn, DEMO_PORTS.deniedTcp));
}

function repeat(ms: number, act: (turn: number) => void): void {
  let turn = 0;
  setInterval(() => act(turn++), ms);
}
