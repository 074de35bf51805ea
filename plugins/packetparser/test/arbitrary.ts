import fc from 'fast-check';
import {
  authentication, ethernet, ETHERTYPE, extension, icmp, icmpv6, ipv4, ipv6, type Layer, otherProtocol, type Packet,
  packet, payload, PROTOCOL, sctp, tcp, type TcpFlagName, truncate, udp, vlan,
} from '@retina/testkit'; // prettier-ignore

const port = fc.integer({ min: 1, max: 65_535 });
const flags = fc.subarray<TcpFlagName>(['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR', 'NS']);
const words = (most: number) => fc.nat(most).map((n) => new Uint8Array(4 * n).fill(1));

const transport = (family: 4 | 6): fc.Arbitrary<Layer> =>
  fc.oneof(
    fc.record({ source: port, destination: port }).map(udp),
    fc.record({ source: port, destination: port, flags, options: words(10) }).map(tcp),
    fc.record({ source: port, destination: port }).map(sctp),
    fc.record({ type: fc.nat(255), code: fc.nat(255) }).map(family === 4 ? icmp : icmpv6),
    fc.constantFrom(89, 112, PROTOCOL.ESP).map(otherProtocol),
  );

const tags = fc
  .array(fc.tuple(fc.nat(4094), fc.constantFrom(ETHERTYPE.VLAN, ETHERTYPE.QINQ)), { maxLength: 2 })
  .map((list) => list.map(([id, tpid]) => vlan(id, tpid)));

const network4 = fc
  .record({ source: fc.ipV4(), destination: fc.ipV4(), options: words(10), ttl: fc.integer({ min: 1, max: 255 }) })
  .map((options) => [ipv4(options)]);

const extensions = fc.array(
  fc.oneof(
    fc.tuple(fc.constantFrom<0 | 43 | 60>(0, 43, 60), fc.nat(4)).map(([protocol, units]) => extension(protocol, units)),
    fc.constant(null).map(() => authentication()),
  ),
  { maxLength: 6 },
);

const address6 = fc
  .array(fc.integer({ min: 1, max: 0xffff }), { minLength: 8, maxLength: 8 })
  .map((groups) => groups.map((group) => group.toString(16)).join(':'));

const network6 = fc
  .tuple(address6, address6, extensions)
  .map(([source, destination, chain]) => [ipv6({ source, destination }), ...chain]);

const whole = fc
  .oneof(fc.tuple(tags, network4, transport(4), fc.nat(200)), fc.tuple(tags, network6, transport(6), fc.nat(200)))
  .map(([link, network, inside, size]) => packet(ethernet(), ...link, ...network, inside, payload(size)));

/** Any packet of the protocols the parser reads; one in four ends somewhere behind its first IP header. */
export const anyPacket: fc.Arbitrary<Packet> = fc
  .tuple(whole, fc.nat(3), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([one, cut, where]) => {
    if (cut !== 0) return one;
    // the kernel's test run refuses packets that end within the IP header
    const least = 14 + 8 + 40;
    if (one.bytes.length <= least) return one;
    return truncate(one, least + Math.floor(where * (one.bytes.length - least)));
  });
