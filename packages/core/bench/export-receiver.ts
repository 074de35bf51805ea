import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

/** A receiver in a thread of its own: counts bytes as records, and takes `workerData.ms` milliseconds for each request. */
const { ms } = workerData as { ms: number };
let bytes = 0;
const server = createServer((request, response) => {
  request.on('data', (chunk: Buffer) => (bytes += chunk.length));
  request.on('end', () => void (ms > 0 ? sleep(ms) : Promise.resolve()).then(() => response.writeHead(204).end()));
});
server.listen(0, '127.0.0.1', () => parentPort!.postMessage((server.address() as AddressInfo).port));
parentPort!.on('message', () => parentPort!.postMessage(bytes));
