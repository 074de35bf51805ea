import { defineConfig } from 'tsup';
import { base } from '../../tsup.base.ts';

export default defineConfig({
  ...base,
  entry: {
    index: 'src/index.ts',
    main: 'src/main.ts',
    api: 'src/api/index.ts',
    terminal: 'src/terminal/index.ts',
    'demo-child': 'src/demo/child.ts',
  },
});
