import type { EndpointProvider, EndpointTable } from '@retina/core';

/** Below what a file says (10), above what this host sees (0). What several may be reached by comes after what is somebody's own. */
const [OWN, SHARED, SERVERS] = [8, 6, 5];

type Said = Pick<EndpointProvider, 'put' | 'remove'>;
/** A port that every node has for a service: protocol and number. */
type NodePort = readonly [protocol: number, port: number];

/**
 * What readers of the cluster have put into the table of endpoints. One reader after the other has it: what the one before
 * put stays, under the same ids, until the next one puts something else or {@link dropOld} is asked for.
 */
export class Names {
  readonly own: Said;
  readonly shared: Said;
  readonly servers: Said;
  private readonly table: EndpointTable;
  private readonly providers: readonly EndpointProvider[];
  /** By provider: keys that only a reader before has put. */
  private readonly old: readonly Set<string>[];
  private readonly ports = new Map<string, NodePort>();
  private readonly oldPorts = new Set<string>();

  constructor(table: EndpointTable) {
    this.table = table;
    this.providers = [OWN, SHARED, SERVERS].map((precedence) => table.provider(precedence));
    this.old = this.providers.map(() => new Set());
    [this.own, this.shared, this.servers] = this.providers.map((provider, i): Said => {
      const old = this.old[i]!;
      return {
        put(spec) {
          old.delete(spec.key);
          provider.put(spec);
        },
        remove(key) {
          old.delete(key);
          provider.remove(key);
        },
      };
    }) as [Said, Said, Said];
  }

  /** Gives a port of every other node the name of the service with an address, or takes it. */
  port([protocol, port]: NodePort, address: string | undefined): void {
    const key = `${protocol} ${port}`;
    this.oldPorts.delete(key);
    if (address === undefined) this.ports.delete(key);
    else this.ports.set(key, [protocol, port]);
    this.table.nameNodePort(protocol, port, address);
  }

  /** Another reader begins: what there is is old. */
  age(): void {
    this.providers.forEach((provider, i) => {
      for (const key of provider.keys()) this.old[i]!.add(key);
    });
    for (const key of this.ports.keys()) this.oldPorts.add(key);
  }

  /** Takes away what is old, a piece at each step. */
  *dropOld(): Generator<void> {
    for (const key of this.oldPorts) this.port(this.ports.get(key)!, undefined);
    for (const [i, provider] of this.providers.entries()) {
      for (const key of this.old[i]!) {
        this.old[i]!.delete(key);
        provider.remove(key);
        yield;
      }
    }
  }

  /** Takes everything away. */
  clear(): void {
    for (const provider of this.providers) provider.replace([]);
    for (const old of this.old) old.clear();
    for (const port of [...this.ports.values()]) this.port(port, undefined);
  }
}
