import type { PluginContext } from '@retina/sdk';
import type { Config, metrics } from './declarations.ts';
import type { Problems } from './problems.ts';

type Context = PluginContext<Config, typeof metrics>;

/** What the parts of this plugin have in common. */
export interface Part {
  readonly ctx: Context;
  readonly problems: Problems;
}
