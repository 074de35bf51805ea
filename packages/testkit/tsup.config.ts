import { defineConfig } from 'tsup';
import { base } from '../../tsup.base.ts';

// What is started as a program of its own lies beside the module that starts it.
export default defineConfig({
  ...base,
  entry: {
    index: 'src/index.ts',
    kernels: 'src/kernels/index.ts',
    'kernel-child': 'src/contract/kernel-child.ts',
    'plugin-host-child': 'src/agent/plugin-host-child.ts',
  },
});
