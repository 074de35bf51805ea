import { ethernet, ipv4, ipv6, packet, type Packet, payload, sendFrames, tcp, type TcpFlagName, type NodeWorld } from '@retina/testkit/kernels'; // prettier-ignore

/** A connection whose segments are made by hand: nobody answers them but the test. */
export interface Dialogue {
  /** From the node to the server. */
  readonly client: (segment: Segment) => Packet;
  /** From the server to the node. */
  readonly server: (segment: Segment) => Packet;
}

export interface Segment {
  readonly flags: readonly TcpFlagName[];
  readonly seq?: number;
  readonly ack?: number;
  readonly size?: number;
  /** Bytes behind the end of the IP packet, as short frames have them. */
  readonly padding?: number;
}

export const PORT = 6443;

export function dialogue(net: NodeWorld, family: 'ipv4' | 'ipv6', clientPort: number): Dialogue {
  const frame = (fromNode: boolean, { flags, seq = 1, ack = 0, size = 0, padding = 0 }: Segment) => {
    const [source, destination] = fromNode
      ? [net.address[family], net.outsideAddress[family]]
      : [net.outsideAddress[family], net.address[family]];
    const [from, to] = fromNode ? [clientPort, PORT] : [PORT, clientPort];
    const macs = ['02:77:00:00:00:02', '02:77:00:00:00:01'] as const;
    const [sourceMac, destinationMac] = fromNode ? macs : [macs[1], macs[0]];
    const ip =
      family === 'ipv4' ? ipv4({ source, destination, totalLength: 40 + size }) : ipv6({ source, destination });
    return packet(
      ethernet({ source: sourceMac, destination: destinationMac }),
      ip,
      tcp({ source: from, destination: to, flags, sequence: seq, acknowledgment: ack }),
      payload(size + padding),
    );
  };
  return { client: (segment) => frame(true, segment), server: (segment) => frame(false, segment) };
}

/** Sends them from the node, one after the other. */
export const fromNode = (net: NodeWorld, ...frames: Packet[]) => sendFrames(net.node, frames, { device: 'eth0' });
/** Sends them from where the server is. */
export const fromServer = (net: NodeWorld, ...frames: Packet[]) => sendFrames(net.outside, frames, { device: 'eth0' });
