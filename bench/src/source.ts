import type { FrameRoute, Namespace, NodeWorld } from '@retina/testkit';

/** Where the benchmark's own traffic comes from. */
export interface Source {
  readonly namespace: Namespace;
  /** The node's end of its veth. */
  readonly hostInterface: string;
}

/**
 * A namespace whose frames cross one tap and end there: they are addressed to another host, which the node's stack finds
 * at once. So the machine can send more of them than of any others, and what is measured is the tap.
 */
export async function addSource(net: NodeWorld): Promise<Source> {
  const namespace = await net.world.namespace('source');
  const hostInterface = 'vethsource';
  await net.world.link(
    { in: net.node, name: hostInterface, addresses: ['10.245.0.1/24', 'fd00:245::1/64'] },
    { in: namespace, name: 'eth0', addresses: ['10.245.0.2/24', 'fd00:245::2/64'] },
  );
  return { namespace, hostInterface };
}

export function sourceRoute(family: 'ipv4' | 'ipv6'): FrameRoute {
  const [source, destination] = family === 'ipv4' ? ['10.245.0.2', '10.245.0.9'] : ['fd00:245::2', 'fd00:245::9'];
  return { device: 'eth0', source: source, destination: destination, destinationMac: '02:00:00:00:00:99' };
}
