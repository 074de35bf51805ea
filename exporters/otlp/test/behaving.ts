import { type Behaviour, type ContractReceiver, httpReceiver } from '@retina/testkit';
import { type GrpcAnswer, GrpcReceiver, retryInfo, status } from './receiver.ts';

/** Flow records in a request, in either encoding: each has this attribute once. */
const recordsOf = (body: Buffer): number => body.toString('latin1').split('retina.flow.packets').length - 1;

/** OTLP by HTTP for the rules about loss, of flow records or (`seriesIn`) of metrics; what it takes is put into `taken`. */
export function overHttp(
  taken: { path: string; body: Buffer }[],
  count: (body: Buffer) => number = recordsOf,
): () => Promise<ContractReceiver> {
  return httpReceiver({
    options: (url) => ({ endpoint: url }),
    count,
    accept(response, { url = '' }, body) {
      taken.push({ path: url, body });
      response.end('{}');
    },
  });
}

/** The same by gRPC. */
export const overGrpc =
  (count: (body: Buffer) => number = recordsOf) =>
  () =>
    grpcReceiver(count);

async function grpcReceiver(count: (body: Buffer) => number): Promise<ContractReceiver> {
  const fate = { offered: 0, accepted: 0 };
  let how: Behaviour = 'accept';
  let turn = 0;
  const receiver = await GrpcReceiver.start((_, body) => {
    const records = count(body);
    fate.offered += records;
    if (how === 'hang') return 'silence';
    if (how === 'refuse') return { code: status.INVALID_ARGUMENT, message: 'not these' };
    const failure = records > 0 ? FAILURES[how]?.[turn++ % 3] : undefined;
    if (failure && (how === 'flaky' || turn === 1)) return failure;
    fate.accepted += records;
    return Buffer.alloc(0);
  });
  return {
    options: { endpoint: receiver.url },
    behave: (next) => void (how = next),
    get offered() {
      return fate.offered;
    },
    get accepted() {
      return fate.accepted;
    },
    [Symbol.asyncDispose]: () => receiver[Symbol.asyncDispose](),
  };
}

/** What it says instead of accepting: of three turns in a row; of one that is busy, the first only. */
const FAILURES: Partial<Record<Behaviour, readonly (GrpcAnswer | undefined)[]>> = {
  busy: [{ code: status.RESOURCE_EXHAUSTED, message: 'slow down', details: retryInfo(1) }],
  flaky: [
    { code: status.UNAVAILABLE, message: 'restarting' },
    { code: status.ABORTED, message: 'try again' },
    undefined,
  ],
};
