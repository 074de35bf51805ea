import { setTimeout as sleep } from 'node:timers/promises';
import type { Namespace } from './namespace.ts';
import type { World } from './world.ts';

const BRIDGE_MAC = '02:00:0a:f4:00:01';

/** A pod as a CNI makes it: a namespace whose eth0 is a veth into the node. */
export interface Pod {
  readonly namespace: Namespace;
  /** The node's end of its veth. */
  readonly hostInterface: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly mac: string;
}

/**
 * A node in a namespace of its own, as kind makes nodes: a bridge for the pods, an uplink that is itself a veth and carries
 * the default routes of both families, and one host beyond it. An agent started in `node` sees only this world's traffic.
 */
export class NodeWorld {
  readonly world: World;
  readonly node: Namespace;
  readonly outside: Namespace;
  readonly pods = new Map<string, Pod>();
  /** The node's uplink interface and addresses, and the outside host's. */
  readonly uplink = 'eth0';
  readonly address = { ipv4: '192.168.77.2', ipv6: 'fd00:77::2' } as const;
  readonly outsideAddress = { ipv4: '192.168.77.1', ipv6: 'fd00:77::1' } as const;
  private serial = 10;

  private constructor(world: World, node: Namespace, outside: Namespace) {
    this.world = world;
    this.node = node;
    this.outside = outside;
  }

  static async create(world: World, pods: readonly string[] = []): Promise<NodeWorld> {
    const node = await world.namespace('node');
    const outside = await world.namespace('outside');
    const made = new NodeWorld(world, node, outside);
    await world.router(node);
    await world.bridge(node, 'cbr0', ['10.244.0.1/24', 'fd00:244::1/64'], BRIDGE_MAC);
    await world.link(
      { in: node, name: 'eth0', mac: '02:77:00:00:00:02', addresses: ['192.168.77.2/24', 'fd00:77::2/64'] },
      { in: outside, name: 'eth0', mac: '02:77:00:00:00:01', addresses: ['192.168.77.1/24', 'fd00:77::1/64'] },
    );
    await node.ip(
      'route add default via 192.168.77.1 dev eth0',
      'route add default via fd00:77::1 dev eth0',
      ...neighbours('eth0', '02:77:00:00:00:01', made.outsideAddress),
    );
    await outside.ip(
      'route add 10.244.0.0/16 via 192.168.77.2 dev eth0',
      'route add fd00:244::/32 via fd00:77::2 dev eth0',
      ...neighbours('eth0', '02:77:00:00:00:02', made.address),
    );
    for (const name of pods) await made.addPod(name);
    return made;
  }

  /** Addresses and MAC may be given, to bring a pod back as it was. Neighbours know each other, so there is no ARP to disturb counts. */
  async addPod(name: string, serial = this.serial++): Promise<Pod> {
    const namespace = await this.world.namespace(name);
    const mac = `02:00:0a:f4:00:${serial.toString(16).padStart(2, '0')}`;
    const pod: Pod = { namespace, hostInterface: `veth${name}`, ipv4: `10.244.0.${serial}`, ipv6: `fd00:244::${serial.toString(16)}`, mac }; // prettier-ignore
    await this.world.link(
      { in: this.node, name: pod.hostInterface, master: 'cbr0' },
      { in: namespace, name: 'eth0', mac, addresses: [`${pod.ipv4}/24`, `${pod.ipv6}/64`] },
    );
    const bridge = { ipv4: '10.244.0.1', ipv6: 'fd00:244::1' };
    await namespace.ip(
      `route add default via ${bridge.ipv4}`,
      `route add default via ${bridge.ipv6}`,
      ...neighbours('eth0', BRIDGE_MAC, bridge),
      ...[...this.pods.values()].flatMap((other) => neighbours('eth0', other.mac, other)),
    );
    await this.node.ip(...neighbours('cbr0', mac, pod));
    for (const other of this.pods.values()) await other.namespace.ip(...neighbours('eth0', mac, pod));
    await this.forwarding(pod.hostInterface);
    this.pods.set(name, pod);
    return pod;
  }

  /** The bridge opens a port some time after its link is up, on a busy machine a second later; until then it drops everything. */
  private async forwarding(port: string): Promise<void> {
    for (let turn = 0; turn < 500; turn++) {
      const { stdout } = await this.node.exec('ip', ['-j', '-d', 'link', 'show', 'dev', port]);
      if (stdout.includes('"state":"forwarding"')) return;
      await sleep(10);
    }
    throw new Error(`Expected the bridge to open its port ${port} within five seconds`);
  }

  async removePod(name: string): Promise<void> {
    const pod = this.pods.get(name);
    if (!pod) return;
    this.pods.delete(name);
    await this.world.remove(pod.namespace);
  }

  pod(name: string): Pod {
    const pod = this.pods.get(name);
    if (!pod) throw new Error(`Expected a pod of this node but received "${name}"`);
    return pod;
  }
}

function neighbours(device: string, mac: string, of: { readonly ipv4: string; readonly ipv6: string }): string[] {
  return [of.ipv4, of.ipv6].map((address) => `neigh replace ${address} lladdr ${mac} nud permanent dev ${device}`);
}
