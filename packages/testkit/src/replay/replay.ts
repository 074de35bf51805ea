import { basename } from 'node:path';
import { RetinaError, type KernelFeatures } from '@retina/sdk';
import type { Interface, LoaderApi, ObjectSpec } from '@retina/loader';
import type { Recording } from './recording.ts';
import { replayMap } from './replay-map.ts';
import { ReplayNetlink } from './replay-netlink.ts';
import { type OpenResources, ReplayObject } from './replay-object.ts';

export interface ReplayOptions {
  /** Capabilities to claim. Default: every one that any plugin asks for. */
  readonly capabilities?: readonly string[];
  /** Lets loading an object fail, to see how a plugin and its host take it. */
  readonly failLoad?: RetinaError;
}

/** A loader that plays a recording instead of asking a kernel. Needs no rights and no native code. */
export interface Replay {
  readonly loader: LoaderApi;
  /** Hands every recorded batch over, in order. Returns how many found a listener. */
  play(): number;
  /** Subscriptions, and what requests are answered. */
  readonly netlink: ReplayNetlink;
  /** Objects loaded and not closed. */
  readonly objects: readonly ReplayObject[];
  /** What is open at the moment: objects, attached programs, sources, subscriptions. */
  readonly open: readonly string[];
}

const CAPABILITIES = ['BPF', 'PERFMON', 'NET_ADMIN', 'SYS_ADMIN', 'NET_RAW', 'SYSLOG', 'SYS_RESOURCE', 'SYS_PTRACE'];

const ETH0: Interface = {
  ifindex: 2, name: 'eth0', kind: '', up: true, loopback: false, mac: Uint8Array.of(2, 0, 0, 0, 0, 2), mtu: 1500,
  linkIfindex: 0, linkNetnsid: -1, master: 0,
}; // prettier-ignore
const VETH: Interface = { ...ETH0, ifindex: 3, name: 'veth0', kind: 'veth', linkIfindex: 2, linkNetnsid: 0 };

/** A recording of nothing, for plugins that load no object. */
export const NOTHING: Recording = {
  kernel: { release: '6.12.0', version: [6, 12], architecture: 'x86_64', possibleCpus: 2, tracepoints: {}, enums: {} },
  objects: [],
  batches: [],
};

export function replay(recording: Recording = NOTHING, options: ReplayOptions = {}): Replay {
  const open: OpenResources = new Set();
  const objects = new Set<ReplayObject>();
  const { kernel } = recording;
  const netlink = new ReplayNetlink(recording.batches, open);

  const kernelFeatures = (): KernelFeatures => ({
    release: kernel.release,
    version: kernel.version,
    architecture: kernel.architecture,
    btf: true,
    tcx: kernel.version[0] > 6 || (kernel.version[0] === 6 && kernel.version[1] >= 6),
    ringBuffer: true,
    capabilities: options.capabilities ?? CAPABILITIES,
    preemptRt: false,
    possibleCpus: kernel.possibleCpus,
    tracepointArguments: (name) => kernel.tracepoints[name] ?? -1,
    enumNames: (name) => new Map(kernel.enums[name] ?? []),
    symbol: () => undefined,
  });

  const openObject = (file: URL | string): ObjectSpec => {
    const name = basename(file instanceof URL ? file.pathname : file);
    const recorded = recording.objects.find((object) => object.file === name);
    if (!recorded) {
      throw new RetinaError('RETINA_OBJECT_INVALID', `the recording knows nothing of ${name}`, {
        found: recording.objects.map((object) => object.file).join(', ') || 'no object at all',
        next: 'record it with root and give the recording to the suite (see the README of @retina/testkit)',
      });
    }
    return {
      programs: recorded.programs,
      maps: recorded.maps,
      constants: recorded.constants.map((constant) => ({ ...constant, value: BigInt(constant.value) })),
      load: async () => {
        await Promise.resolve();
        if (options.failLoad) throw options.failLoad;
        const object = new ReplayObject(recorded, open);
        objects.add(object);
        return object;
      },
      [Symbol.dispose]: () => undefined,
    };
  };

  const loader: LoaderApi = {
    kernelFeatures,
    openObject,
    createMap: (spec) => replayMap(spec),
    interfaces: () => Promise.resolve([ETH0, VETH]),
    addresses: () => Promise.resolve([]),
    defaultRoutes: () => Promise.resolve([{ ifindex: ETH0.ifindex, main: true }]),
    watchNetwork: () => ({ [Symbol.dispose]: () => undefined }),
    namedNamespaces: () => Promise.resolve([]),
    addressesIn: () => Promise.resolve([]),
    ownNetns: () => 1,
    inInitialNetns: () => true,
    netlinkRequest: netlink.request,
    netlinkSubscribe: netlink.subscribe,
    deviceStatistics: netlink.statistics,
    removeStaleFilters: () => Promise.resolve(0),
    kernelSymbol: () => undefined,
    readKernelSymbols: () => Promise.resolve(false),
    settled: () => Promise.resolve(),
  };

  return {
    loader,
    play: () =>
      recording.batches.reduce((heard, batch) => {
        if (batch.source === 'statistics') return heard;
        if (batch.source === 'netlink') return heard + Number(netlink.deliver(batch));
        const listening = [...objects].filter((object) => object.file === batch.object && object.deliver(batch));
        return heard + (listening.length ? 1 : 0);
      }, 0),
    netlink,
    get objects() {
      return [...objects];
    },
    get open() {
      return [...open].map(({ what }) => what);
    },
  };
}
