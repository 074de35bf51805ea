import type { Exporter } from '@retina/sdk';
import { describe } from 'vitest';
import { type ExporterContractOptions, exporterRules } from './exporter-rules.ts';
import { importRule } from './import-rule.ts';
import { register } from './plugin-contract.ts';

export interface ExporterSuiteOptions extends ExporterContractOptions {
  /** URL of the module that exports the exporter: with it the suite also sees that importing it starts nothing. */
  readonly module?: string;
}

/**
 * Registers the contract of exporters as vitest tests. Call it in a test file:
 *
 *     exporterContract(exporter, { module: import.meta.resolve('./index.ts'), options: { url }, receiver: httpReceiver({ … }) });
 */
export function exporterContract(exporter: Exporter, options: ExporterSuiteOptions = {}): void {
  describe(`contract of the exporter ${exporter.name}`, () => {
    if (options.module !== undefined) register([importRule(options.module)]);
    register(exporterRules(exporter, options));
  });
}
