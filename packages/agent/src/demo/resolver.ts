import { createSocket } from 'node:dgram';
import { isIPv4 } from 'node:net';
import { DEMO_PODS, DEMO_PORTS } from './plan.ts';

const TYPE_A = 1;
const TYPE_AAAA = 28;
const NXDOMAIN = 3;
const HEADER = 12;

/** Answers A and AAAA for `ROLE.demo.svc.cluster.local`, and NXDOMAIN for everything else. */
export function runResolver(): void {
  const socket = createSocket({ type: 'udp6', ipv6Only: false });
  socket.on('message', (query, from) => {
    const reply = answer(query);
    if (reply) socket.send(reply, from.port, from.address, () => {});
  });
  socket.on('error', (error) => {
    process.stderr.write(`resolver: ${error.message}\n`);
    process.exit(1);
  });
  socket.bind(DEMO_PORTS.dns, '::');
}

/** The answer to one DNS query of one question; undefined if it is none (RFC 1035, section 4). */
export function answer(query: Buffer): Buffer | undefined {
  if (query.length < HEADER || (query[2]! & 0x80) !== 0 || query.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER;
  for (;;) {
    const length = query[at];
    if (length === undefined || length > 63) return undefined;
    if (length === 0) break;
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const end = at + 5;
  if (query.length < end) return undefined;
  const type = query.readUInt16BE(at + 1);
  const name = labels.join('.').toLowerCase();
  const pod = DEMO_PODS.find((p) => name === `${p.role}.demo.svc.cluster.local`);
  const data =
    pod && (type === TYPE_A ? addressBytes(pod.ipv4) : type === TYPE_AAAA ? addressBytes(pod.ipv6) : undefined);

  const head = Buffer.from(query.subarray(0, end)); // the header and the question; EDNS records are not echoed
  head.writeUInt16BE(0x8580 | (pod ? 0 : NXDOMAIN), 2); // response, authoritative, recursion desired and available
  head.writeUInt16BE(data ? 1 : 0, 6);
  head.writeUInt32BE(0, 8);
  if (!data) return head;
  const record = Buffer.alloc(12);
  record.writeUInt16BE(0xc000 | HEADER, 0); // the name is the question's
  record.writeUInt16BE(type, 2);
  record.writeUInt16BE(1, 4);
  record.writeUInt32BE(5, 6);
  record.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, record, data]);
}

function addressBytes(text: string): Buffer {
  if (isIPv4(text)) return Buffer.from(text.split('.').map(Number));
  const [left = '', right = ''] = text.split('::');
  const groups = (part: string) => (part ? part.split(':').map((g) => parseInt(g, 16)) : []);
  const head = groups(left);
  const tail = groups(right);
  const all = [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  const bytes = Buffer.alloc(16);
  all.forEach((group, i) => bytes.writeUInt16BE(group, 2 * i));
  return bytes;
}
