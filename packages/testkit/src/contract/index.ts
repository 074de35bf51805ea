export { seriesIn } from './contract-source.ts';
export { exporterContract, type ExporterSuiteOptions } from './exporter-contract.ts';
export { type ExporterContractOptions, exporterRules } from './exporter-rules.ts';
export { importsOf } from './imports-of.ts';
export { type KernelTraffic, runInKernel, someTraffic } from './kernel-run.ts';
export type { KernelFindings, KernelTask } from './kernel-types.ts';
export { kernelRule, pluginContract, type PluginSuiteOptions } from './plugin-contract.ts';
export { type PluginContractOptions, pluginRules } from './plugin-rules.ts';
export {
  type Behaviour,
  BEHAVIOURS,
  type ContractReceiver,
  fileReceiver,
  type FileReceiverSettings,
  httpReceiver,
  type HttpReceiverSettings,
} from './receiver.ts';
export { ContractError, type Rule } from './rule.ts';
