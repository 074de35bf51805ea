import { config } from '../src/declarations.ts';
import { Packet, TCP } from '../src/packet.ts';
import { Streams } from '../src/streams.ts';

/** Streams to feed by hand: what they found is hex, with `…` where bytes are missing. */
export function streams(limits: Record<string, number> = {}) {
  const found: string[] = [];
  const made = new Streams(config.parse({ streams: limits }).streams, (port) => port === 53, (_, bytes, from, end, whole) => {
    found.push(`${Buffer.from(bytes.subarray(from, end)).toString('hex')}${whole ? '' : '…'}`);
  }); // prettier-ignore
  const send = (sequence: number, bytes: Uint8Array, o: { flags?: number; port?: number; copied?: number; now?: number } = {}) => {
    const packet = new Packet();
    packet.protocol = TCP;
    packet.family = 4;
    packet.addresses.fill(1);
    packet.sourcePort = o.port ?? 40_000;
    packet.destinationPort = 53;
    packet.sequence = sequence >>> 0;
    packet.flags = o.flags ?? 0;
    packet.length = bytes.length;
    made.segment(packet, bytes, 0, Math.min(bytes.length, o.copied ?? bytes.length), o.now ?? 0);
  }; // prettier-ignore
  return { made, found, send };
}
