import type { Format } from './output.ts';

/** Options every command that asks the agent has. */
export interface AgentOptions {
  readonly socket?: string;
  readonly output?: Format;
}
