import { exporterContract, httpReceiver } from '@retina/testkit';
import { expect, vi } from 'vitest';
import exporter from './index.ts';

const documents: Record<string, unknown>[] = [];
/** A call is an action and a document for each record. */
const documentsIn = (body: Buffer) =>
  body
    .toString()
    .split('\n')
    .filter((_, i) => i % 2 === 1);

exporterContract(exporter, {
  module: import.meta.resolve('./index.ts'),
  options: { url: 'http://127.0.0.1:1/', index: 'flows' },
  // What becomes of every record when the receiver refuses, is busy, breaks off or says nothing.
  receiver: httpReceiver({
    options: (url) => ({ url }),
    count: (body) => documentsIn(body).length,
    accept(response, _, body) {
      const items = documentsIn(body).map((document) => {
        documents.push(JSON.parse(document) as Record<string, unknown>);
        return { create: { status: 201 } };
      });
      response.end(JSON.stringify({ items }));
    },
  }),
  refused: [{}, { url: 'ftp://host' }, { url: 'host' }, { url: 'http://host', index: '../x' }, { url: 'http://host', indx: 'flows' }],
  async check() {
    await vi.waitFor(() => expect(documents.length).toBeGreaterThanOrEqual(64), 10_000);
    expect(documents[0]).toMatchObject({ IP: { source: '10.0.0.1', destination: '10.0.0.2' }, '@timestamp': expect.stringMatching(/^\d{4}-.*Z$/) as string });
  },
}); // prettier-ignore
