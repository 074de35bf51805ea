import type { LoaderApi } from '@retina/loader';
import type { Logger, RetinaError } from '@retina/sdk';
import type { Config } from '../config/schema.ts';
import { FileIdentity } from '../identity/file-provider.ts';
import { LocalIdentity } from '../identity/local.ts';
import type { EndpointTable } from '../identity/table.ts';

/** The sources of identity that a configuration asks for. */
export class Identities implements Disposable {
  private readonly table: EndpointTable;
  private readonly loader: LoaderApi | undefined;
  private readonly log: Logger;
  private file: FileIdentity | undefined;
  private local: LocalIdentity | undefined;

  constructor(table: EndpointTable, loader: LoaderApi | undefined, log: Logger) {
    this.table = table;
    this.loader = loader;
    this.log = log;
  }

  /** What is wrong with the identity file, if anything is. */
  get problem(): RetinaError | undefined {
    return this.file?.problem;
  }

  /** Ends the old sources and starts the new ones. What one of them cannot read is logged; it never throws. */
  async configure(config: Config): Promise<void> {
    this[Symbol.dispose]();
    const { table, log, loader } = this;
    const { file, local } = config.identity;
    if (file !== undefined) this.file = new FileIdentity({ table, file, log });
    try {
      if (local && loader)
        this.local = new LocalIdentity({
          table,
          network: loader,
          hostName: config.nodeName,
          names: !config.kubernetes.enabled,
          log,
        });
      await Promise.all([this.file?.reload(), this.local?.refresh()]);
    } catch (error) {
      log.error('this host cannot be asked for its endpoints', { error: String(error) });
    }
  }

  [Symbol.dispose](): void {
    this.file?.[Symbol.dispose]();
    this.local?.[Symbol.dispose]();
    this.file = this.local = undefined;
  }
}
