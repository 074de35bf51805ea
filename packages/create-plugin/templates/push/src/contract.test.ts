import { exporterContract, httpReceiver, seriesIn } from '@retina/testkit';
import { expect } from 'vitest';
import exporter from './index.ts';

let received = '';

exporterContract(exporter, {
  module: import.meta.resolve('./index.ts'),
  options: { url: 'http://127.0.0.1:1/' }, // nobody is there: what is not about the receiver must work all the same
  // What becomes of what it sends when its receiver takes it, refuses it, is busy, breaks off or says nothing.
  metricReceiver: httpReceiver({
    options: (url) => ({ url }),
    count: seriesIn,
    accept(response, _, body) {
      received += body.toString();
      response.end();
    },
  }),
  refused: [{ url: 'nowhere' }, { url: 'file:///etc/passwd' }, { batchLines: 0 }, { token: '' }],
  check: () => {
    const lines = received.trimEnd().split('\n');
    const names = lines.map((line) => (JSON.parse(line) as { name: string }).name);
    expect(names).toContain('networkobservability_events_total');
    return Promise.resolve();
  },
});
