import {
  RetinaError,
  type ComponentHealth,
  type ComponentState,
  type Exporter,
  type Logger,
  type Plugin,
} from '@retina/sdk';
import { instanceOf } from '../export/instance.ts';
import { Guard } from './guard.ts';
import type { ComponentSteps, Run } from './run.ts';
import { HostScope } from './scope.ts';
import { withDeadline } from './setup-deadline.ts';
import { inNameOf } from './strays.ts';
import type { Limits } from './types.ts';

/** Mistakes that another try does not mend. */
const PERMANENT: ReadonlySet<string> = new Set([
  'RETINA_CONFIG_INVALID', 'RETINA_PLUGIN_NOT_FOUND', 'RETINA_PLUGIN_INVALID', 'RETINA_API_MISMATCH', 'RETINA_METRIC_INVALID',
  'RETINA_CAPABILITY_MISSING', 'RETINA_KERNEL_UNSUPPORTED', 'RETINA_BTF_MISSING', 'RETINA_OBJECT_INVALID',
  'RETINA_VERIFIER_REJECTED', 'RETINA_NATIVE_MISSING',
]); // prettier-ignore

export interface ComponentEvents {
  state(component: Component, previous: ComponentState): void;
  timed(component: Component, seconds: number): void;
  threw(component: Component, error: unknown): void;
  lost(component: Component, records: number): void;
  restarted(component: Component): void;
}

/**
 * One plugin or exporter and its life: declared → validated → probed → starting → running ⇄ degraded → stopping →
 * stopped, failed from the first four. Nothing it does throws into the host.
 */
export class Component<D extends Plugin | Exporter = Plugin | Exporter> {
  readonly kind: 'plugin' | 'exporter';
  /** As the configuration spells it. */
  readonly name: string;
  /** Whether readiness waits for it. */
  required: boolean;
  state: ComponentState = 'declared';
  definition: D | undefined;
  /** What distinguishes instances of one exporter. */
  private readonly suffix: string;
  private readonly steps: ComponentSteps<D>;
  private readonly limits: Limits;
  private readonly log: Logger;
  private readonly events: ComponentEvents;
  private causes: RetinaError[] = [];
  private urls: string[] = [];
  private readonly conditions = new Map<string, RetinaError>();
  private scope: HostScope | undefined;
  private attempts = 0;
  private retry: NodeJS.Timeout | undefined;
  private stopped = false;
  private work: Promise<void> = Promise.resolve();

  constructor(
    kind: 'plugin' | 'exporter',
    name: string,
    required: boolean,
    steps: ComponentSteps<D>,
    limits: Limits,
    log: Logger,
    events: ComponentEvents,
  ) {
    this.kind = kind;
    this.name = name;
    this.required = required;
    this.suffix = kind === 'exporter' ? instanceOf(name).suffix : '';
    this.steps = steps;
    this.limits = limits;
    this.log = log;
    this.events = events;
  }

  /** What people and metrics know it by: the name it declares, and until it is imported the configuration's. */
  get shownAs(): string {
    return this.definition ? `${this.definition.name}${this.suffix}` : this.name;
  }

  health(): ComponentHealth {
    const all = [...this.causes, ...this.conditions.values()];
    return {
      kind: this.kind,
      name: this.shownAs,
      state: this.state,
      causes: all.map(({ code, message }) => ({ code, message })),
      ...(this.urls.length > 0 && { serves: [...this.urls] }),
    };
  }

  /** Goes as far as it can; look at `state` for how far that was. */
  start(): Promise<void> {
    return this.next(() => this.begin());
  }

  /** Releases everything, in every state; may be called twice and before `start`. */
  stop(ms: number): Promise<void> {
    this.stopped = true;
    clearTimeout(this.retry);
    const ended = this.scope?.end(ms); // cuts a running setup short
    return this.next(async () => {
      if (this.state === 'stopped') return;
      this.enter('stopping');
      await ended;
      await this.scope?.end(ms);
      this.enter('stopped');
    });
  }

  /** One step after the other; none is kept from running by the one before it. */
  private next(step: () => Promise<void>): Promise<void> {
    return (this.work = this.work.then(step).catch((error: unknown) => this.threw(error, false, false)));
  }

  private async begin(): Promise<void> {
    if (this.stopped) return;
    let problems: readonly RetinaError[];
    try {
      const loading = { stray: (error: unknown) => this.threw(error, true, false) };
      this.definition = await inNameOf(loading, () => this.steps.load());
      this.steps.validate(this.definition);
      problems = this.steps.probe(this.definition);
    } catch (error) {
      return this.fail(
        RetinaError.from(error, 'RETINA_PLUGIN_INVALID', `the ${this.kind} ${this.name} cannot be used`),
      );
    }
    this.enter('validated');
    if (problems.length) return this.fail(...problems);
    this.enter('probed');
    await this.attempt();
  }

  private async attempt(): Promise<void> {
    if (this.stopped) return;
    this.causes = [];
    this.urls = [];
    this.conditions.clear();
    this.enter('starting');
    const condition = (key: string, cause: RetinaError | undefined) => {
      if (scope.ended || this.conditions.get(key)?.message === cause?.message) return;
      if (cause) this.conditions.set(key, cause);
      else this.conditions.delete(key);
      if (cause) this.log.warn('runs without something', { code: cause.code, cause: cause.message });
      else this.log.info('is whole again', { condition: key });
      this.settleState();
    };
    const guard = new Guard(this.limits, {
      timed: (seconds) => this.events.timed(this, seconds),
      lost: (records) => this.events.lost(this, records),
      threw: (error, stray) => this.threw(error, stray, scope.ended),
      slow: (cause) => condition('slow', cause),
      failed: (cause) => this.recover(scope, cause),
    });
    const scope: HostScope = new HostScope(this.log, guard, (cause) => {
      const key = `${cause.code}: ${cause.message}`;
      condition(key, cause);
      return { [Symbol.dispose]: () => condition(key, undefined) };
    });
    this.scope = scope;
    const run: Run = {
      scope,
      guard,
      condition,
      serves: (url) => void this.urls.push(url),
      failed: (cause) => this.recover(scope, cause),
    };
    try {
      await withDeadline(
        scope,
        `the ${this.kind} ${this.name}`,
        this.limits.setupMs,
        inNameOf(guard, () => this.steps.setup(this.definition!, run)),
      );
    } catch (error) {
      await scope.end(this.limits.releaseMs);
      if (this.stopped) return;
      return this.fail(
        RetinaError.from(error, 'RETINA_SETUP_FAILED', `the ${this.kind} ${this.name} threw while setting up`),
      );
    }
    if (this.stopped || scope.ended) return;
    this.enter('running');
    this.settleState();
    const long = setTimeout(() => (this.attempts = 0), this.limits.restartMaxMs).unref();
    scope.signal.addEventListener('abort', () => clearTimeout(long), { once: true });
  }

  /** It failed for good: everything is released now, and set up afresh after a pause. */
  private recover(scope: HostScope, cause: RetinaError): void {
    if (this.stopped || scope.ended) return;
    this.causes = [cause];
    this.conditions.clear();
    this.enter('degraded');
    void this.next(async () => {
      await scope.end(this.limits.releaseMs);
      if (this.stopped) return;
      if (PERMANENT.has(cause.code)) this.fail(cause);
      else this.again();
    });
  }

  private threw(error: unknown, stray: boolean, late: boolean): void {
    const message = stray ? 'something it started failed and nobody caught it' : 'a handler threw';
    this.log.error(message, { error: describe(error), ...(late && { late: 'its scope had ended' }) });
    this.events.threw(this, error);
  }

  private fail(...causes: RetinaError[]): void {
    this.causes = causes;
    this.conditions.clear();
    for (const { code, message, detail } of causes)
      this.log.error('failed', { code, cause: message, ...(detail && { detail }) });
    this.enter('failed');
    if (!causes.some(({ code }) => PERMANENT.has(code))) this.again();
  }

  private again(): void {
    if (this.stopped) return;
    const { restartMs, restartMaxMs } = this.limits;
    const wait = Math.min(restartMs * 2 ** this.attempts++, restartMaxMs) * (0.8 + 0.4 * Math.random());
    this.log.info('is set up again after a pause', { milliseconds: Math.round(wait) });
    clearTimeout(this.retry);
    this.retry = setTimeout(() => {
      if (this.stopped) return;
      this.events.restarted(this);
      void this.next(() => this.attempt());
    }, wait);
  }

  private settleState(): void {
    if (this.state !== 'running' && this.state !== 'degraded') return;
    this.enter(this.causes.length || this.conditions.size ? 'degraded' : 'running');
  }

  private enter(state: ComponentState): void {
    if (state === this.state) return;
    const previous = this.state;
    this.state = state;
    this.events.state(this, previous);
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
