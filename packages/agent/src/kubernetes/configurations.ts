import type { Host, MetricsConfiguration } from '@retina/core';
import { type Logger, RetinaError } from '@retina/sdk';
import { type ConfigurationFacts, inForce, readLastKnown, readSpec } from './metrics-configuration.ts';

const PROBLEM = 'MetricsConfiguration';

/** The MetricsConfiguration objects of the cluster: keeps the host's pod-level metrics in line with the one in force. */
export class Configurations implements Disposable {
  private readonly host: Pick<Host, 'overridePods' | 'problems'>;
  private readonly log: Logger;
  private readonly chosen: boolean;
  private readonly known = new Map<string, ConfigurationFacts>();
  private isSynced = false;
  private current: { readonly name: string; readonly metrics: MetricsConfiguration } | undefined;
  private said = '';
  /** Whether the host hears of it. */
  private live: boolean;

  /**
   * `chosen`: only endpoints that an annotation or a selector chose are reported. `waits`: it only takes note until
   * {@link Configurations.follow} is called.
   */
  constructor(host: Pick<Host, 'overridePods' | 'problems'>, log: Logger, chosen: boolean, waits = false) {
    this.host = host;
    this.log = log;
    this.chosen = chosen;
    this.live = !waits;
    if (this.live) host.overridePods({ chosen });
  }

  /** Decides from now on, in place of another one. `read`: objects are read at all; then what is in force stays until they have been. */
  follow(before: Configurations, read: boolean): void {
    before.live = false;
    this.live = true;
    if (read) this.current = before.current;
    else this.host.problems.delete(PROBLEM);
    if (this.isSynced) this.apply();
    else this.tell();
  }

  readonly take = (key: string, facts: ConfigurationFacts | undefined): void => {
    if (facts) this.known.set(key, facts);
    else this.known.delete(key);
    if (this.isSynced && this.live) this.apply(); // before, the oldest may still come
  };

  readonly synced = (): void => {
    this.isSynced = true;
    if (this.live) this.apply();
  };

  [Symbol.dispose](): void {
    if (!this.live) return;
    this.live = false;
    this.host.problems.delete(PROBLEM);
    this.host.overridePods({});
  }

  private apply(): void {
    const { host, log } = this;
    const facts = inForce(this.known.values());
    // Not what the operator has written down: it says nothing new to an agent that runs.
    const text = JSON.stringify([facts && { ...facts, lastKnown: undefined }, this.known.size]);
    if (text === this.said) return;
    this.said = text;
    const others = [...this.known.values()].filter((one) => one !== facts).map(({ name }) => name);
    if (others.length > 0) log.warn('more than one MetricsConfiguration: the oldest is in force', { others });
    let problem: RetinaError | undefined;
    try {
      this.current = facts && { name: facts.name, metrics: readSpec(facts) };
    } catch (error) {
      problem = RetinaError.from(error, 'RETINA_CONFIG_INVALID', 'a MetricsConfiguration cannot be read');
      log.error(problem.message, { code: problem.code });
      // Of another object nothing stays in force. An agent that was not there before goes by what the others have.
      if (this.current?.name !== facts?.name) {
        const metrics = facts && readLastKnown(facts);
        this.current = metrics && { name: facts.name, metrics };
      }
    }
    if (problem) host.problems.set(PROBLEM, problem);
    else host.problems.delete(PROBLEM);
    log.info('MetricsConfiguration in force', { name: this.current?.name ?? 'none' });
    this.tell();
  }

  private tell(): void {
    const metrics = this.current?.metrics;
    this.host.overridePods({ chosen: this.chosen, ...(metrics && { metrics }) });
  }
}
