import { exporterContract } from '@retina/testkit';
import exporter from './index.ts';

exporterContract(exporter, {
  options: { host: '127.0.0.1', port: 0 },
  refused: [{ port: 65_536 }, { port: '10093' }, { host: '' }, { prot: 1 }],
});
