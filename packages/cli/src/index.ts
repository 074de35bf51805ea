/** The command line as a function, for embedding and tests. */
export { EXIT } from './exit.ts';
export { runCli } from './run.ts';
