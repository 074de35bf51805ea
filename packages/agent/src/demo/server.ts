import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';
import { DEMO_PORTS } from './plan.ts';

const LARGEST_BODY = 256 * 1024;

/** HTTP with bodies of the size asked for (`/items?size=N`), and a UDP sink that acknowledges every tenth datagram. */
export function runServer(): void {
  const body = Buffer.alloc(LARGEST_BODY, 'retina ');
  createServer((request, response) => {
    const size = Number(new URL(request.url ?? '/', 'http://server').searchParams.get('size') ?? 512);
    response.setHeader('content-type', 'text/plain');
    response.end(body.subarray(0, Math.min(Number.isFinite(size) ? Math.max(0, size) : 512, LARGEST_BODY)));
  }).listen(DEMO_PORTS.http, '::');

  let received = 0;
  const sink = createSocket({ type: 'udp6', ipv6Only: false });
  sink.on('message', (_message, from) => {
    if (++received % 10 === 0) sink.send('ack', from.port, from.address, () => {});
  });
  sink.on('error', (error) => {
    process.stderr.write(`udp sink: ${error.message}\n`);
    process.exit(1);
  });
  sink.bind(DEMO_PORTS.stream, '::');
}
