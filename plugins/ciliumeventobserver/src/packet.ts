import { TCP_FLAGS } from '@retina/sdk';

/** Why no flow can be read from a packet. */
export type PacketProblem = 'no_packet' | 'not_ip' | 'packet_cut';

const IPV4 = 0x0800;
const IPV6 = 0x86dd;
const VLANS: ReadonlySet<number> = new Set([0x8100, 0x88a8, 0x9100]);
const MOST_VLANS = 2;
const ETHERNET_IN_GENEVE = 0x6558;

const [HOP_BY_HOP, TCP, UDP, ROUTING, FRAGMENT, AUTHENTICATION, ICMP, ICMPV6, OPTIONS, SCTP] = [
  0, 6, 17, 43, 44, 51, 1, 58, 60, 132,
];
const MOST_EXTENSIONS = 8;

const SYN = 1 << TCP_FLAGS.indexOf('SYN');
const ACK = 1 << TCP_FLAGS.indexOf('ACK');
const NS = 1 << TCP_FLAGS.indexOf('NS');
const SYNACK = 1 << TCP_FLAGS.indexOf('SYNACK');

/** Reads addresses and ports from the first bytes of a packet. One reader serves every packet: `read` overwrites what the last one left. */
export class PacketReader {
  readonly source = new Uint8Array(16);
  readonly destination = new Uint8Array(16);
  /** 4 or 6. */
  family = 4;
  protocol = 0;
  /** 0 where the protocol has none, in later fragments, and where the bytes end before them. */
  sourcePort = 0;
  destinationPort = 0;
  icmpType = 0;
  icmpCode = 0;
  /** Bits in the order of TCP_FLAGS. */
  tcpFlags = 0;
  private view: DataView = new DataView(new ArrayBuffer(0));

  /** `tunnel`: the packet is the outer one of such a tunnel, and the inner one is wanted. */
  read(
    bytes: Uint8Array,
    noEthernet: boolean,
    ipv6: boolean,
    tunnel: 'none' | 'vxlan' | 'geneve' = 'none',
  ): PacketProblem | undefined {
    if (bytes.length === 0) return 'no_packet';
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (tunnel === 'none') return noEthernet ? this.network(0, ipv6 ? IPV6 : IPV4) : this.ethernet(0);
    this.innerStart = -1;
    const problem = noEthernet ? this.network(0, ipv6 ? IPV6 : IPV4) : this.ethernet(0);
    if (problem) return problem;
    if (this.protocol !== UDP || this.innerStart < 0) return 'packet_cut';
    const at = this.innerStart;
    if (tunnel === 'vxlan') return this.ethernet(at + 8);
    if (at + 8 > this.view.byteLength) return 'packet_cut';
    const [options, type] = [this.view.getUint8(at) & 0x3f, this.view.getUint16(at + 2)];
    const inner = at + 8 + 4 * options;
    return type === ETHERNET_IN_GENEVE ? this.ethernet(inner) : this.network(inner, type);
  }

  /** Where the payload of the last UDP datagram read begins. */
  private innerStart = -1;

  private ethernet(start: number): PacketProblem | undefined {
    let at = start + 12;
    for (let tags = 0; ; tags++, at += 4) {
      if (at + 2 > this.view.byteLength) return 'packet_cut';
      const type = this.view.getUint16(at);
      if (!VLANS.has(type) || tags === MOST_VLANS) return this.network(at + 2, type);
    }
  }

  private network(at: number, type: number): PacketProblem | undefined {
    if (type === IPV4) return this.ipv4(at);
    return type === IPV6 ? this.ipv6(at) : 'not_ip';
  }

  private ipv4(at: number): PacketProblem | undefined {
    const { view } = this;
    if (at + 20 > view.byteLength) return 'packet_cut';
    const first = view.getUint8(at);
    const header = (first & 15) * 4;
    if (first >> 4 !== 4 || header < 20) return 'not_ip';
    this.family = 4;
    this.address(this.source, at + 12, 4);
    this.address(this.destination, at + 16, 4);
    this.transport(at + header, view.getUint8(at + 9), (view.getUint16(at + 6) & 0x1fff) !== 0);
    return undefined;
  }

  private ipv6(start: number): PacketProblem | undefined {
    const { view } = this;
    if (start + 40 > view.byteLength) return 'packet_cut';
    if (view.getUint8(start) >> 4 !== 6) return 'not_ip';
    this.family = 6;
    this.address(this.source, start + 8, 16);
    this.address(this.destination, start + 24, 16);
    let next = view.getUint8(start + 6);
    let at = start + 40;
    let later = false;
    for (let i = 0; i < MOST_EXTENSIONS && at + 8 <= view.byteLength; i++) {
      let length: number;
      if (next === HOP_BY_HOP || next === ROUTING || next === OPTIONS) length = 8 * (view.getUint8(at + 1) + 1);
      else if (next === AUTHENTICATION) length = 4 * (view.getUint8(at + 1) + 2);
      else if (next === FRAGMENT) {
        length = 8;
        later ||= view.getUint16(at + 2) >> 3 !== 0;
      } else break;
      next = view.getUint8(at);
      at += length;
      if (later) break;
    }
    this.transport(at, next, later);
    return undefined;
  }

  private transport(at: number, protocol: number, laterFragment: boolean): void {
    const { view } = this;
    this.protocol = protocol;
    this.sourcePort = this.destinationPort = this.icmpType = this.icmpCode = this.tcpFlags = 0;
    const left = laterFragment ? 0 : view.byteLength - at;
    if (protocol === ICMP || protocol === ICMPV6) {
      if (left < 2) return;
      this.icmpType = view.getUint8(at);
      this.icmpCode = view.getUint8(at + 1);
      return;
    }
    if ((protocol !== TCP && protocol !== UDP && protocol !== SCTP) || left < 4) return;
    this.sourcePort = view.getUint16(at);
    this.destinationPort = view.getUint16(at + 2);
    if (protocol === UDP && left > 8) this.innerStart = at + 8;
    if (protocol === TCP && left >= 14) this.tcpFlags = flagsOf(view.getUint8(at + 13), view.getUint8(at + 12) & 1);
  }

  private address(to: Uint8Array, at: number, length: 4 | 16): void {
    if (length === 4) {
      to.fill(0, 0, 10);
      to[10] = to[11] = 0xff;
    }
    for (let i = 0; i < length; i++) to[16 - length + i] = this.view.getUint8(at + i);
  }
}

/** The header's flags in the order of TCP_FLAGS: the lower eight are the same; SYN with ACK is one of its own. */
function flagsOf(bits: number, ns: number): number {
  const flags = bits | (ns ? NS : 0);
  return (flags & (SYN | ACK)) === (SYN | ACK) ? (flags & ~(SYN | ACK)) | SYNACK : flags;
}
