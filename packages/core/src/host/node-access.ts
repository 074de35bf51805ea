import type { AddressNames, ApiServers, Devices, Netlink, RetinaError } from '@retina/sdk';
import type { NativePart } from './kernel.ts';
import type { Run } from './run.ts';

/** Netlink as one run of a plugin sees it: handlers stand behind the guard, subscriptions end with the scope. */
export function pluginNetlink(run: Run, { loader, missing }: NativePart): Netlink {
  return {
    async request(request, handle) {
      if (!loader) throw missing!;
      const guarded = run.guard.wrap(handle);
      return loader.netlinkRequest(request, (messages) => {
        if (!run.scope.ended) guarded(messages);
      });
    },
    subscribe(family, groups, handle, filter) {
      if (!loader) throw missing!;
      const fail = (error: RetinaError) => run.failed(error);
      const subscription = loader.netlinkSubscribe(family, groups, run.guard.wrap(handle), filter, fail);
      return run.scope.own(`a subscription to netlink family ${family}`, () => subscription[Symbol.dispose]());
    },
  };
}

export function pluginDevices({ loader, missing }: NativePart): Devices {
  return {
    async statistics(interfaceName) {
      if (!loader) throw missing!;
      return loader.deviceStatistics(interfaceName);
    },
  };
}

export function pluginApiServers(run: Run, servers: ApiServers): ApiServers {
  return {
    list: () => servers.list(),
    watch(listener) {
      const watching = servers.watch(run.guard.wrap(listener));
      return run.scope.own('a watch on API servers', () => watching[Symbol.dispose]());
    },
  };
}

export function pluginNames(names: AddressNames): AddressNames {
  return {
    learn: (address, name, ttlSeconds) => names.learn(address, name, ttlSeconds),
    of: (address) => names.of(address),
  };
}
