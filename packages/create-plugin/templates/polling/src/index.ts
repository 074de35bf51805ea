import { readFile } from 'node:fs/promises';
import { API, definePlugin, RetinaError } from '@retina/sdk';
import { z } from 'zod';
import { parseSockets } from './sockets.ts';

export default definePlugin({
  name: 'my-thing',
  api: API,
  description: 'Sockets in use by protocol, as the kernel counts them.',
  stability: 'experimental',
  platforms: ['linux'],
  needs: { capabilities: [] },
  config: z.strictObject({
    intervalSeconds: z.number().min(0.1).default(5).describe('Seconds between two readings.'),
    file: z.string().min(1).default('/proc/net/sockstat').describe('Where to read.'),
  }),
  metrics: {
    my_thing_sockets: { kind: 'gauge', help: 'Sockets in use.', labels: ['protocol'] },
    my_thing_bad_lines_total: { kind: 'counter', help: 'Lines of the file that were not understood.' },
  },
  setup(ctx) {
    const { intervalSeconds, file } = ctx.config;
    let missing: Disposable | undefined;
    ctx.every(intervalSeconds * 1000, async () => {
      let text: string;
      try {
        text = await readFile(file, 'utf8');
      } catch (error) {
        // It still runs, but without something: state, metrics and /healthz say so until the file is back.
        missing ??= ctx.degrade(
          new RetinaError('RETINA_SOURCE_UNREACHABLE', `${file} cannot be read`, {
            found: (error as Error).message,
            needed: 'a readable file',
            next: 'mount the host’s /proc, or correct the option "file"',
            retryable: true,
            cause: error,
          }),
        );
        return;
      }
      missing?.[Symbol.dispose]();
      missing = undefined;
      const { sockets, badLines } = parseSockets(text);
      ctx.metrics.my_thing_sockets.clear(); // what vanished is not reported
      for (const [protocol, count] of sockets) ctx.metrics.my_thing_sockets.set(count, ctx.label(protocol));
      ctx.metrics.my_thing_bad_lines_total.add(badLines);
    });
  },
});
