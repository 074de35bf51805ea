import { Verdict } from '@retina/sdk';
import { exporterContract, httpReceiver } from '@retina/testkit';
import { expect } from 'vitest';
import exporter from './webhook.ts';

const lines: string[] = [];
const linesIn = (body: Buffer) => (JSON.parse(body.toString()) as { text: string }).text.split('\n');
/** Packets of the connections it names, and of the others. */
const packetsIn = (body: Buffer) =>
  linesIn(body).reduce((sum, line) => sum + Number(/: (\d+) packets/.exec(line)?.[1] ?? 0), 0);

exporterContract(exporter, {
  module: import.meta.resolve('./webhook.ts'),
  options: { url: 'http://127.0.0.1:1/hook/secret', most: 5 },
  // What becomes of every record when the receiver refuses, is busy, breaks off or says nothing. Of drops: others it leaves out.
  record: { verdict: Verdict.DROPPED, packets: 1 },
  receiver: httpReceiver({
    options: (there) => ({ url: `${there}/hook/secret` }),
    count: packetsIn,
    accept(response, _, body) {
      lines.push(...linesIn(body));
      response.end('{"ok":true}');
    },
  }),
  refused: [{ url: 'nowhere' }, { url: 'file:///etc/passwd' }, { url: 'http://127.0.0.1:1/', most: 0 }],
  check: () => {
    expect(lines.some((line) => /^\S+ → \S+: \d+ packets \(/.test(line))).toBe(true);
    expect(lines.some((line) => /^others: \d+ packets$/.test(line))).toBe(true);
    return Promise.resolve();
  },
});
