import { API, defineExporter, type RetinaError } from '@retina/sdk';
import { z } from 'zod';
import { RemoteWrite, remoteWriteConfig } from './remote-write.ts';
import { MetricsServer } from './server.ts';
import { tlsConfig } from './tls.ts';

const RENEW_MS = 10_000;

/** The content of a web configuration file. */
const webConfig = z.strictObject({
  tls_server_config: tlsConfig.optional().describe('HTTPS, and what is asked of clients.'),
  basic_auth_users: z
    .record(
      z.string().min(1),
      z.string().regex(/^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/, 'must be a bcrypt hash (htpasswd -nBC 10 "" makes one)'),
    )
    .optional()
    .describe('Who may read metrics, with bcrypt hashes of their passwords.'),
});

const config = z.object({
  host: z.string().min(1).default('0.0.0.0').describe('Address to serve on; "::" for IPv4 and IPv6.'),
  port: z
    .union([z.int().min(0).max(65_535), z.literal(false)])
    .default(10_093)
    .describe('TCP port; 0 for any free one, false to serve nothing and only push.'),
  web: webConfig.optional().describe("HTTPS and passwords, as Prometheus' web configuration file has them."),
  bearerTokenFile: z
    .string()
    .min(1)
    .optional()
    .describe('Tokens that may read metrics, one a line; read again when it changes.'),
  remoteWrite: remoteWriteConfig.optional().describe('Pushes metrics as well, for clusters without scraping.'),
});

/** Serves every metric in the Prometheus text format or OpenMetrics, and the host's health. */
export default defineExporter({
  name: 'prometheus',
  api: API,
  description: 'Serves every metric in the Prometheus text format and in OpenMetrics.',
  stability: 'beta',
  config,
  async setup(ctx) {
    const { host, port, web, bearerTokenFile: tokenFile, remoteWrite } = ctx.config;
    const sink = remoteWrite && ctx.use(new RemoteWrite(remoteWrite, ctx.host.nodeName));
    if (port === false) return sink;
    const tls = web?.tls_server_config;
    const server = await MetricsServer.listen({
      host,
      port,
      tls,
      access: { users: web?.basic_auth_users, tokenFile },
      metrics: ctx.metrics,
      health: () => ctx.health(),
      onError: (error) => ctx.log.error('metrics could not be served', { error }),
    });
    ctx.use(server);
    let stale: Disposable | undefined;
    const renew = () => {
      try {
        server.renew();
        stale?.[Symbol.dispose]();
        stale = undefined;
      } catch (error) {
        stale ??= ctx.degrade(error as RetinaError); // the old certificates stay in use
      }
    };
    if (tls) ctx.every(RENEW_MS, renew);
    ctx.serves(`${server.url}/metrics`);
    ctx.log.info('serving metrics', { url: `${server.url}/metrics` });
    return sink;
  },
});
