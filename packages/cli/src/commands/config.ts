import { AgentClient } from '@retina/agent/api';
import { EXIT } from '../exit.ts';
import type { AgentOptions } from '../options.ts';
import { paint, write, writeDocument } from '../output.ts';

/** `retina config view`: YAML unless asked otherwise, for a configuration is written in it. */
export async function configView({ socket, output }: AgentOptions): Promise<void> {
  await writeDocument(await new AgentClient(socket).config(), output === 'json' ? 'json' : 'yaml');
}
