import { RetinaError, type Logger, type Scope } from '@retina/sdk';
import { onTheBeat } from './beat.ts';
import type { Guard } from './guard.ts';
import { inNameOf } from './strays.ts';

interface Held {
  readonly what: string;
  release(): void | Promise<void>;
}

/**
 * The resources of one run of a component. They are released in reverse order, each after the one before it has ended,
 * on every way out: stop, reload, failed or late `setup`. A resource that arrives after the end is released at once.
 */
export class HostScope implements Scope {
  readonly log: Logger;
  /** What `setup` is waiting for, for the message when it does not come back. */
  step = 'setup';
  /** The kernel is at work for `setup`, at its own pace: no fault of the component's if that takes long. */
  inKernel: Promise<unknown> | undefined;
  private readonly controller = new AbortController();
  private readonly guard: Guard;
  private readonly onDegrade: (cause: RetinaError) => Disposable;
  private readonly held: Held[] = [];
  private ending: Promise<void> | undefined;

  constructor(log: Logger, guard: Guard, onDegrade: (cause: RetinaError) => Disposable) {
    this.log = log;
    this.guard = guard;
    this.onDegrade = onDegrade;
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  get ended(): boolean {
    return this.ending !== undefined;
  }

  use<T extends Disposable | AsyncDisposable>(resource: T): T {
    this.hold({ what: nameOf(resource), release: () => dispose(resource) });
    return resource;
  }

  /** What the host made for the component: disposed of with the scope, unless the component has done so before. */
  own(what: string, close: () => void, last?: () => Promise<void>): Disposable {
    let open = true;
    const end = () => {
      if (!open) return;
      open = false;
      const at = this.held.lastIndexOf(item);
      if (at >= 0) this.held.splice(at, 1);
      close();
    };
    const release = async () => {
      try {
        if (open) await last?.();
      } finally {
        end();
      }
    };
    const item = { what, release: last ? release : end };
    this.hold(item);
    return { [Symbol.dispose]: end };
  }

  /** Waits for the kernel; meanwhile no deadline runs out. */
  async kernelWorks<T>(work: Promise<T>): Promise<T> {
    this.inKernel = work;
    try {
      return await work;
    } finally {
      if (this.inKernel === work) this.inKernel = undefined;
    }
  }

  defer(release: () => void | Promise<void>): void {
    this.hold({ what: release.name || 'a deferred release', release });
  }

  every(ms: number, task: () => void | Promise<void>): void {
    let running: Promise<void> | undefined;
    const stop = onTheBeat(ms, () => {
      running ??= this.guard.run(task).finally(() => (running = undefined));
    });
    this.hold({
      what: `a task every ${ms} ms`,
      release: async () => {
        stop();
        await running;
      },
    });
  }

  degrade(cause: RetinaError): Disposable {
    return this.ended ? { [Symbol.dispose]: () => undefined } : this.onDegrade(cause);
  }

  /** Releases everything. A release that throws is logged; one that takes longer than what is left of `ms` is no longer waited for. */
  end(ms: number): Promise<void> {
    return (this.ending ??= inNameOf(this.guard, () => this.release(Date.now() + ms)));
  }

  private async release(deadline: number): Promise<void> {
    this.controller.abort(closed());
    for (let next = this.held.pop(); next; next = this.held.pop()) {
      if (!(await settle(next, deadline - Date.now(), this.log))) {
        this.log.error('a resource is not released in time and no longer waited for', { resource: next.what });
      }
    }
  }

  private hold(item: Held): void {
    if (!this.ended) {
      this.held.push(item);
      return;
    }
    this.log.warn('a resource came after its scope had ended and is released at once', { resource: item.what });
    void inNameOf(this.guard, () => settle(item, 0, this.log));
    throw closed();
  }
}

/** True if the release came to an end, well or not, within `ms`. */
async function settle(item: Held, ms: number, log: Logger): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const released = (async () => item.release())().then(
    () => true,
    (error: unknown) => {
      log.error('a resource threw while it was released', { resource: item.what, error: String(error) });
      return true;
    },
  );
  const late = new Promise<boolean>((resolve) => (timer = setTimeout(resolve, Math.max(0, ms), false)));
  const inTime = await Promise.race([released, late]);
  clearTimeout(timer);
  return inTime;
}

function dispose(resource: Disposable | AsyncDisposable): void | Promise<void> {
  if (Symbol.asyncDispose in resource) return resource[Symbol.asyncDispose]() as Promise<void>;
  resource[Symbol.dispose]();
}

function nameOf(resource: object): string {
  const named = (resource as { name?: unknown }).name;
  const type = resource.constructor?.name || 'object';
  return typeof named === 'string' && named ? `${type} ${named}` : type;
}

function closed(): RetinaError {
  return new RetinaError('RETINA_CLOSED', 'the scope of this component has ended', {
    next: 'stop what setup is doing when ctx.signal is aborted',
  });
}
