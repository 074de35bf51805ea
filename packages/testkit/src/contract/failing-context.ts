import type { Exporter, Plugin, PluginContext } from '@retina/sdk';

/** Thrown by the n-th call a plugin makes to its host. */
class Sabotage extends Error {
  override readonly name = 'Sabotage';
}

/** What a plugin under a failing host did. */
export interface Sabotaged<P> {
  readonly component: P;
  /** Calls to the host so far. */
  readonly calls: () => number;
}

/**
 * `plugin` in a world in which its `failing`-th call to the host throws (0: none does). Counted are the calls that can fail
 * in earnest: loading, attaching, opening sources, handing over resources.
 */
export function sabotaged<P extends Plugin | Exporter>(plugin: P, failing: number): Sabotaged<P> {
  let calls = 0;
  const count = (what: string) => {
    if (++calls === failing) throw new Sabotage(`${what} fails on purpose (call ${failing} of setup)`);
  };
  const component: P = { ...plugin, setup: (ctx: never) => plugin.setup(wrapContext(ctx, count) as never) };
  return { component, calls: () => calls };
}

function wrapContext(ctx: PluginContext<unknown, never>, count: (what: string) => void): PluginContext<unknown, never> {
  const taps: typeof ctx.taps = {
    attach: (object, program) => {
      count('taps.attach');
      return ctx.taps.attach(unwrapped.get(object) ?? object, program);
    },
    list: () => ctx.taps.list(),
    watch: (listener) => {
      count('taps.watch');
      return ctx.taps.watch(listener);
    },
  };
  const unwrapped = new WeakMap<object, Awaited<ReturnType<typeof ctx.bpf>>>();
  const netlink: typeof ctx.netlink = {
    request: async (request, handle) => {
      count('netlink.request');
      return ctx.netlink.request(request, handle);
    },
    subscribe: (family, groups, handle, filter) => {
      count('netlink.subscribe');
      return ctx.netlink.subscribe(family, groups, handle, filter);
    },
  };
  const devices: typeof ctx.devices = {
    statistics: async (interfaceName) => {
      count('devices.statistics');
      return ctx.devices.statistics(interfaceName);
    },
  };
  const apiServers: typeof ctx.apiServers = {
    list: () => ctx.apiServers.list(),
    watch: (listener) => {
      count('apiServers.watch');
      return ctx.apiServers.watch(listener);
    },
  };
  return {
    ...ctx,
    taps,
    netlink,
    devices,
    apiServers,
    use: (resource) => {
      const used = ctx.use(resource);
      count('use');
      return used;
    },
    defer: (release) => {
      ctx.defer(release);
      count('defer');
    },
    every: (ms, task) => {
      ctx.every(ms, task);
      count('every');
    },
    bpf: async (object, options) => {
      count('bpf');
      const handle = await ctx.bpf(object, options);
      const wrapped = new Proxy(handle, {
        get(target, key) {
          const value: unknown = Reflect.get(target, key, target);
          if (typeof value !== 'function') return value;
          return (...args: unknown[]): unknown => {
            if (key === 'attach' || key === 'stream' || key === 'table' || key === 'flows') count(`bpf.${key}`);
            return (value as (...all: unknown[]) => unknown).apply(target, args);
          };
        },
      });
      unwrapped.set(wrapped, handle);
      return wrapped;
    },
  };
}
