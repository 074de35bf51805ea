import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import { setImmediate } from 'node:timers/promises';
import { descriptors } from '../agent/usage.ts';

/** Resources that live until somebody ends them. Others (promises, file requests) end by themselves. */
const LASTING = new Set([
  'Timeout', 'Immediate', 'TCPSERVERWRAP', 'TCPWRAP', 'PIPEWRAP', 'PIPESERVERWRAP', 'UDPWRAP', 'PROCESSWRAP',
  'FSEVENTWRAP', 'STATWATCHER', 'MESSAGEPORT', 'WORKER', 'SIGNALWRAP', 'TTYWRAP',
]); // prettier-ignore

/** Sees what is left over of what ran inside {@link LeakWatch.inside}: timers, sockets, watchers, descriptors, listeners on `process`. */
export class LeakWatch implements Disposable {
  private readonly storage = new AsyncLocalStorage<LeakWatch>();
  private readonly alive = new Map<number, string>();
  private readonly listeners: ReadonlyMap<string | symbol, number>;
  private readonly openBefore = descriptors();
  private readonly hook = createHook({
    init: (id, type) => {
      if (LASTING.has(type) && this.storage.getStore() === this) this.alive.set(id, type);
    },
    destroy: (id) => void this.alive.delete(id),
  });

  constructor() {
    this.listeners = processListeners();
    this.hook.enable();
  }

  inside<T>(work: () => T): T {
    return this.storage.run(this, work);
  }

  /** What is left, one sentence each. Waits for what is on its way out. */
  async left(): Promise<string[]> {
    for (let i = 0; i < 50 && this.problems().length; i++) {
      await setImmediate();
      if (i > 10) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return this.problems();
  }

  [Symbol.dispose](): void {
    this.hook.disable();
  }

  private problems(): string[] {
    const problems: string[] = [];
    const counts = new Map<string, number>();
    for (const type of this.alive.values()) counts.set(type, (counts.get(type) ?? 0) + 1);
    for (const [type, count] of counts) problems.push(`left behind: ${count} × ${NAMES[type] ?? type}`);
    for (const [event, count] of processListeners()) {
      const more = count - (this.listeners.get(event) ?? 0);
      if (more > 0) problems.push(`left behind: ${more} × process.on('${String(event)}')`);
    }
    for (const [kind, count] of Object.entries(descriptors())) {
      const more = count - (this.openBefore[kind] ?? 0);
      // Node itself opens and keeps files and pipes (modules, the thread pool); what the kernel holds for us it does not.
      if (more > 0 && /^bpf|socket|inotify/.test(kind)) problems.push(`left behind: ${more} × descriptor (${kind})`);
    }
    return problems;
  }
}

const NAMES: Readonly<Record<string, string>> = {
  Timeout: 'timer',
  TCPSERVERWRAP: 'listening socket',
  TCPWRAP: 'connection',
  PROCESSWRAP: 'child process',
  FSEVENTWRAP: 'file watcher',
  STATWATCHER: 'file watcher',
};

function processListeners(): ReadonlyMap<string | symbol, number> {
  return new Map(process.eventNames().map((event) => [event, process.listenerCount(event)]));
}
