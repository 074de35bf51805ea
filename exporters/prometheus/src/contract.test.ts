import { exporterContract, httpReceiver, seriesIn } from '@retina/testkit';
import { fields, unsnap } from '../test/decode.ts';
import exporter from './index.ts';

exporterContract(exporter, {
  module: import.meta.resolve('./index.ts'),
  options: { host: '127.0.0.1', port: 0 },
  refused: [
    { port: 65_536 },
    { port: '10093' },
    { host: '' },
    { prot: 1 },
    { web: { tls_server_config: { cert_file: 'a', key_file: 'b', client_auth_type: 'RequireAndVerifyClientCert' } } },
    { web: { basic_auth_users: { alice: 'plain text' } } },
  ],
  unmet: [
    { host: '203.0.113.1' },
    { web: { tls_server_config: { cert_file: '/nowhere/cert.pem', key_file: '/nowhere/key.pem' } } },
  ],
});

/** A receiver of remote write; by 2.0 it says how many samples it wrote. */
const remoteWrite = (protocol: 'v1' | 'v2') =>
  httpReceiver({
    options: (url) => ({ remoteWrite: { url, protocol } }),
    count: (body) => seriesIn(unsnap(body)),
    accept(response, _, body) {
      const samples = fields(unsnap(body)).filter(([number]) => number === 5).length;
      if (protocol === 'v2') response.setHeader('X-Prometheus-Remote-Write-Samples-Written', samples);
      response.writeHead(204).end();
    },
  });

exporterContract(exporter, {
  options: { port: false, remoteWrite: { url: 'http://127.0.0.1:9/' } },
  metricReceiver: remoteWrite('v2'),
  refused: [{ remoteWrite: { url: 'ftp://x' } }, { remoteWrite: { url: 'https://x', password: 'x' } }],
  unmet: [{ remoteWrite: { url: 'https://127.0.0.1:9/', caFile: '/nowhere/ca.pem' } }],
});

exporterContract(exporter, {
  options: { port: false, remoteWrite: { url: 'http://127.0.0.1:9/', protocol: 'v1' } },
  metricReceiver: remoteWrite('v1'),
});
