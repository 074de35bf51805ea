import { exporterContract } from '@retina/testkit';
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

exporterContract(exporter, {
  options: { port: false, remoteWrite: { url: 'http://127.0.0.1:9/' } },
  refused: [{ remoteWrite: { url: 'ftp://x' } }, { remoteWrite: { url: 'https://x', password: 'x' } }],
  unmet: [{ remoteWrite: { url: 'https://127.0.0.1:9/', caFile: '/nowhere/ca.pem' } }],
});
