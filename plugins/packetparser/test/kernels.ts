import { datagrams, kernelChecks, type PluginHost, sendFrames, serve, shapes, stream } from '@retina/testkit/kernels';

type Flow = Awaited<ReturnType<PluginHost['flows']>>[number];

const UNPARSED = 'networkobservability_flow_unattributed_packets_total';

export default kernelChecks({
  options: { intervalMs: 100 },
  config: { enablePodLevel: true },
  async check(on) {
    const { host, net } = on;
    const [a, b] = [on.pod('a'), on.pod('b')];
    const index = async (device: string) => (await host.taps()).find(({ name }) => name === device)?.ifindex;
    let seen: Flow[] = [];
    /** Packets and bytes of what `wanted` picks, of all that came since the last call of `forget`. */
    const sum = async (wanted: (flow: Flow) => boolean) => {
      seen.push(...(await host.flows()));
      const chosen = seen.filter(wanted);
      const total = (key: 'packets' | 'bytes') => chosen.reduce((n, flow) => n + flow[key], 0);
      return { packets: total('packets'), bytes: total('bytes') };
    };
    const forget = async () => {
      await host.flows();
      seen = [];
    };

    for (const ip of ['ipv4', 'ipv6'] as const) {
      await forget();
      const route = { source: a[ip], destination: b[ip], port: 9 };
      const plain = await datagrams(a.namespace, { ...route, packets: 300, flows: 10 });
      const whole = await datagrams(a.namespace, { ...route, packets: 40, size: 8000, segment: 800 });
      const expected = { packets: plain.packets + whole.packets, bytes: plain.bytes + whole.bytes };
      for (const [hook, pod] of [
        ['ingress', a],
        ['egress', b],
      ] as const) {
        const tap = await index(pod.hostInterface);
        const what = `packets and bytes in flows, GSO among them, ${ip}, ${hook} tap`;
        await on.finds(what, expected, () =>
          sum((flow) => 'UDP' in flow.l4 && flow.IP.source === a[ip] && flow.interface?.index === tap),
        );
      }
    }

    await forget();
    const sink = await serve(b.namespace, 'stream-sink', { source: b.ipv4, port: 80 });
    const sent = await stream(a.namespace, { destination: b.ipv4, port: 80, bytes: 500_000 });
    await sink.stop();
    const tap = await index(a.hostInterface);
    const tcp = (flow: Flow, source: string) =>
      'TCP' in flow.l4 && flow.IP.source === source && flow.interface?.index === tap;
    await on.finds('TCP segments of both directions as the sockets count them', [sent.segmentsOut, sent.segmentsIn], async () => [
      (await sum((flow) => tcp(flow, a.ipv4))).packets,
      (await sum((flow) => tcp(flow, b.ipv4))).packets,
    ]); // prettier-ignore
    await on.finds('round-trip time from the sockets', true, async () => {
      await sum(() => false);
      return seen.some((flow) => tcp(flow, a.ipv4) && (flow.rtt_us ?? 0) > 0);
    });

    await forget();
    // the kernel takes one tag off, so that five are no longer too many
    const frames = Object.entries(shapes()).flatMap(([name, one]) => (name === 'Five VLAN tags' ? [] : [one]));
    const before = (await host.metrics()).sum(UNPARSED, {});
    await sendFrames(net.outside, frames, { device: 'eth0' });
    const inFlow = frames.filter(({ expected }) => expected.flow);
    const uplink = await index('eth0');
    const known = (flow: Flow) =>
      flow.interface?.index === uplink &&
      flow.traffic_direction === 'INGRESS' &&
      /^(10\.1\.0\.1|fd00:1::1)$/.test(flow.IP.source);
    await on.finds(
      'packets of every shape',
      { packets: inFlow.length, bytes: inFlow.reduce((total, one) => total + one.bytes.length, 0) },
      () => sum(known),
    );
    await on.finds('packets that are in no flow, as unparsed', true, async () => {
      const unparsed = (await host.metrics()).sum(UNPARSED, {}) - before;
      return unparsed >= frames.length - inFlow.length;
    });
  },
});
