import { ethernet, ipv4, type Namespace, type NodeWorld, type Packet, packet, payload, udp } from '@retina/testkit';
import { type Source, sourceRoute } from './source.ts';

const NAMES = 100;

/** Queries as they come in by the source's tap, and their answers as they leave by it: a thousand of each, of a hundred names. */
export function dnsFrames(
  net: NodeWorld,
  source: Source,
): readonly { readonly from: Namespace; readonly device: string; readonly frames: readonly Packet[] }[] {
  const { device, source: client, destination: server, destinationMac } = sourceRoute('ipv4');
  const link = ethernet({ destination: destinationMac! });
  const queries: Packet[] = [];
  const answers: Packet[] = [];
  for (let i = 0; i < 1000; i++) {
    const name = `service-${i % NAMES}.namespace.svc.cluster.local`;
    const port = 20_000 + i;
    queries.push(
      packet(link, ipv4({ source: client, destination: server }), udp({ source: port, destination: 53 }), payload(message(i, name, false))), // prettier-ignore
    );
    answers.push(
      packet(link, ipv4({ source: server, destination: client }), udp({ source: 53, destination: port }), payload(message(i, name, true))), // prettier-ignore
    );
  }
  return [
    { from: source.namespace, device, frames: queries },
    { from: net.node, device: source.hostInterface, frames: answers },
  ];
}

/** A DNS message that asks for an address, or answers with one. */
function message(id: number, name: string, answer: boolean): Uint8Array {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(answer ? 0x8180 : 0x0100, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answer ? 1 : 0, 6);
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]));
  const question = Buffer.concat([...labels, Buffer.of(0, 0, 1, 0, 1)]);
  const record = Buffer.of(0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 1, 2, id & 255);
  return Buffer.concat(answer ? [header, question, record] : [header, question]);
}
