import type { Exporter } from '@retina/sdk';
import { describe } from 'vitest';
import { type ExporterContractOptions, exporterRules } from './exporter-rules.ts';
import { register } from './plugin-contract.ts';

/** Registers the contract of exporters as vitest tests. Call it in a test file: `exporterContract(exporter, { options: { port: 0 } })`. */
export function exporterContract(exporter: Exporter, options: ExporterContractOptions = {}): void {
  describe(`contract of the exporter ${exporter.name}`, () => register(exporterRules(exporter, options)));
}
