import { authentication, ethernet, extension, fragment, ipv4, ipv6, vlan } from './ip.ts';
import { ETHERTYPE, type Layer, PROTOCOL } from './layer.ts';
import { type Packet, packet, truncate } from './packet.ts';
import { arp, gre, icmp, icmpv6, otherProtocol, payload, sctp, tcp, udp } from './transport.ts';

const V4 = { source: '10.1.0.1', destination: '10.2.0.2' } as const;
const V6 = { source: 'fd00:1::1', destination: 'fd00:2::2' } as const;
const PORTS = { source: 40000, destination: 8080 } as const;
/** Timestamps and two no-ops: what Linux puts on every segment. */
const TCP_TIMESTAMPS = Uint8Array.from([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
const RECORD_ROUTE = Uint8Array.from([7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

const v4 = (...inside: Layer[]) => packet(ethernet(), ipv4(V4), ...inside);
const v6 = (...inside: Layer[]) => packet(ethernet(), ipv6(V6), ...inside);

/** Every shape of packet a tap may meet, by name. Each carries what a correct flow parser finds in it. */
export function shapes(): Readonly<Record<string, Packet>> {
  const udp4 = v4(udp(PORTS), payload(64));
  const tcp4 = v4(tcp({ ...PORTS, flags: ['PSH', 'ACK'], options: TCP_TIMESTAMPS }), payload(100));
  const udp6 = v6(udp(PORTS), payload(64));
  const tcp6 = v6(tcp({ ...PORTS, flags: ['ACK'] }), payload(10));
  return {
    'IPv4 UDP': udp4,
    'IPv4 UDP without payload': v4(udp(PORTS)),
    'IPv4 TCP SYN': v4(tcp({ ...PORTS, flags: ['SYN'] })),
    'IPv4 TCP SYN and ACK': v4(tcp({ ...PORTS, flags: ['SYN', 'ACK'] })),
    'IPv4 TCP with options and payload': tcp4,
    'IPv4 TCP with every flag': v4(
      tcp({ ...PORTS, flags: ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR', 'NS'] }),
    ),
    'IPv4 TCP without flags': v4(tcp({ ...PORTS, flags: [] })),
    'IPv4 SCTP': v4(sctp(PORTS), payload(20)),
    'IPv4 ICMP echo request': v4(icmp(), payload(56)),
    'IPv4 ICMP port unreachable': v4(icmp({ type: 3, code: 3 }), payload(udp4.bytes.slice(14, 42))),
    'IPv4 other protocol': v4(otherProtocol(89), payload(44)),
    'IPv4 ESP': v4(otherProtocol(PROTOCOL.ESP), payload(44)),
    'IPv4 in IPv4': v4(ipv4({ source: '1.1.1.1', destination: '2.2.2.2' }), udp(PORTS)),
    'IPv6 in IPv4': v4(ipv6(V6), udp(PORTS)),
    'IPv4 GRE': v4(gre(), ipv4({ source: '1.1.1.1', destination: '2.2.2.2' }), tcp(PORTS)),
    'IPv4 options, UDP': packet(ethernet(), ipv4({ ...V4, options: RECORD_ROUTE }), udp(PORTS), payload(8)),
    'IPv4 options, TCP': packet(ethernet(), ipv4({ ...V4, options: RECORD_ROUTE }), tcp(PORTS), payload(8)),
    'IPv4 forty bytes of options': packet(ethernet(), ipv4({ ...V4, options: new Uint8Array(40).fill(1) }), tcp(PORTS)),
    'IPv4 first fragment': packet(
      ethernet(),
      ipv4({ ...V4, id: 7, fragment: { offset: 0, more: true } }),
      udp(PORTS),
      payload(64),
    ),
    'VLAN IPv4 UDP': packet(ethernet(), vlan(100), ipv4(V4), udp(PORTS), payload(8)),
    'QinQ IPv4 TCP': packet(ethernet(), vlan(5, ETHERTYPE.QINQ), vlan(100), ipv4(V4), tcp(PORTS)),
    'VLAN IPv6 UDP': packet(ethernet(), vlan(100), ipv6(V6), udp(PORTS), payload(8)),
    'QinQ IPv6 UDP': packet(ethernet(), vlan(5, ETHERTYPE.QINQ), vlan(100), ipv6(V6), udp(PORTS)),
    'IPv6 UDP': udp6,
    'IPv6 TCP': tcp6,
    'IPv6 TCP SYN': v6(tcp({ ...PORTS, flags: ['SYN'] })),
    'IPv6 SCTP': v6(sctp(PORTS), payload(20)),
    'IPv6 ICMPv6 echo request': v6(icmpv6(), payload(56)),
    'IPv6 ICMPv6 neighbour solicitation': v6(icmpv6({ type: 135 }), payload(20)),
    'IPv6 no next header': v6(payload(0)),
    'IPv6 other protocol': v6(otherProtocol(89), payload(44)),
    'IPv6 in IPv6': v6(ipv6({ source: '::1', destination: '::2' }), udp(PORTS)),
    'IPv4 in IPv6': v6(ipv4(V4), udp(PORTS)),
    'IPv6 GRE': v6(gre(), ipv4(V4), tcp(PORTS)),
    'IPv6 hop-by-hop, TCP': v6(extension(PROTOCOL.HOP_BY_HOP), tcp(PORTS)),
    'IPv6 long destination options, UDP': v6(extension(PROTOCOL.DESTINATION, 3), udp(PORTS), payload(8)),
    'IPv6 hop-by-hop, routing, destination options, UDP': v6(
      extension(PROTOCOL.HOP_BY_HOP),
      extension(PROTOCOL.ROUTING, 2),
      extension(PROTOCOL.DESTINATION),
      udp(PORTS),
      payload(8),
    ),
    'IPv6 authentication header, TCP': v6(authentication(), tcp(PORTS)),
    'IPv6 first fragment': v6(fragment(0, true), udp(PORTS), payload(64)),
    'IPv6 atomic fragment': v6(fragment(0, false), tcp(PORTS)),
    ARP: packet(ethernet(), arp()),
    LLDP: packet(ethernet({ type: 0x88cc }), payload(40)),
    'VLAN ARP': packet(ethernet(), vlan(100), arp()),
    'IPv4 header cut short': truncate(udp4, 14 + 12),
    'IPv4 options cut short': truncate(packet(ethernet(), ipv4({ ...V4, options: RECORD_ROUTE }), udp(PORTS)), 14 + 24),
    'IPv4 UDP header cut short': truncate(udp4, 14 + 20 + 3),
    'IPv4 TCP header cut short': truncate(tcp4, 14 + 20 + 10),
    'IPv6 header cut short': truncate(udp6, 14 + 30),
    'IPv6 UDP header cut short': truncate(udp6, 14 + 40 + 2),
    'IPv6 TCP header cut short': truncate(tcp6, 14 + 40 + 12),
    'IPv6 extension header cut short': truncate(v6(extension(PROTOCOL.HOP_BY_HOP, 3), tcp(PORTS)), 14 + 40 + 1),
    'IPv4 UDP payload cut short': truncate(udp4, udp4.bytes.length - 20),
    'IPv4 header length of four words': packet(ethernet(), ipv4({ ...V4, headerWords: 4 }), udp(PORTS)),
    'IPv4 of version 5': packet(ethernet(), ipv4({ ...V4, version: 5 }), udp(PORTS)),
    'IPv6 of version 4': packet(ethernet(), ipv6({ ...V6, version: 4 }), udp(PORTS)),
    'IPv6 chain of twenty extension headers': v6(
      ...Array.from({ length: 20 }, () => extension(PROTOCOL.DESTINATION)),
      udp(PORTS),
    ),
    'Five VLAN tags': packet(
      ethernet(),
      ...Array.from({ length: 5 }, (_, i) => vlan(i + 1, ETHERTYPE.QINQ)),
      ipv4(V4),
      udp(PORTS),
    ),
  };
}

/** The later fragments that go with the shapes 'IPv4 first fragment' and 'IPv6 first fragment': same addresses, protocol and id. */
export function laterFragments(): { readonly ipv4: Packet; readonly ipv6: Packet } {
  return {
    ipv4: packet(ethernet(), ipv4({ ...V4, id: 7, fragment: { offset: 72, more: false } }), payload(30, PROTOCOL.UDP)),
    ipv6: v6(fragment(72, false), payload(30, PROTOCOL.UDP)),
  };
}
