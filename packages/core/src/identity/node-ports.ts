import { parseAddress } from './address.ts';
import { words } from './address-map.ts';
import type { Words } from './endpoint-spec.ts';

/** Services by the port that every node has for them. */
export class NodePorts {
  private readonly services = new Map<number, Words>();

  /** `address`: one of the service's own; undefined: the port is no service's any longer. */
  name(protocol: number, port: number, address: string | undefined): void {
    const bytes = address === undefined ? undefined : parseAddress(address);
    if (bytes) this.services.set((protocol << 16) | port, words(bytes));
    else this.services.delete((protocol << 16) | port);
  }

  /** Address of a port's service. */
  get(protocol: number, port: number): Words | undefined {
    return this.services.size === 0 ? undefined : this.services.get((protocol << 16) | port);
  }
}
