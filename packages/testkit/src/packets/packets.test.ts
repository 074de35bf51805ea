import { describe, expect, it } from 'vitest';
import {
  addressBytes, addressText, checksum, ethernet, ETHERTYPE, flowText, fragment, ipv4, ipv6, laterFragments, mappedAddress,
  packet, payload, PROTOCOL, shapes, tcp, truncate, udp, vlan,
} from './index.ts'; // prettier-ignore

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('packets', () => {
  it('builds a UDP packet byte for byte', () => {
    const built = packet(
      ethernet({ source: '02:00:00:00:00:0a', destination: '02:00:00:00:00:0b' }),
      ipv4({ source: '192.0.2.1', destination: '192.0.2.2', id: 1 }),
      udp({ source: 1000, destination: 53 }),
      payload(Uint8Array.from([1, 2, 3])),
    );
    expect(hex(built.bytes)).toBe(
      '02000000000b02000000000a0800' +
        '4500001f0001000040' +
        '11f6c9' +
        'c0000201c0000202' +
        '03e80035000b73b5' +
        '010203',
    );
  });

  it('has right checksums over odd and even lengths, IPv4 and IPv6', () => {
    for (const size of [0, 1, 2, 33, 64]) {
      for (const ip of [
        ipv4({ source: '10.0.0.1', destination: '10.0.0.2' }),
        ipv6({ source: 'fd00::1', destination: 'fd00::2' }),
      ]) {
        const { bytes } = packet(ethernet(), ip, tcp({ source: 1, destination: 2 }), payload(size));
        const six = ip.type === ETHERTYPE.IPV6;
        const l4 = bytes.subarray(six ? 54 : 34);
        const addresses = six ? bytes.subarray(22, 54) : bytes.subarray(26, 34);
        const tail = Uint8Array.of(0, PROTOCOL.TCP, l4.length >> 8, l4.length & 0xff);
        expect(checksum(addresses, tail, l4)).toBe(0); // a right checksum sums to all ones
        if (!six) expect(checksum(bytes.subarray(14, 34))).toBe(0);
      }
    }
  });

  it('knows what a parser must find, by walking outer headers only', () => {
    const all = shapes();
    expect(all['IPv4 GRE']!.expected.flow).toMatchObject({ protocol: PROTOCOL.GRE, sourcePort: 0, source: '10.1.0.1' });
    expect(all['IPv6 in IPv4']!.expected.flow).toMatchObject({ protocol: PROTOCOL.IPV6, sourcePort: 0 });
    expect(all['QinQ IPv4 TCP']!.expected.flow).toMatchObject({ sourcePort: 40000, destinationPort: 8080 });
    expect(all['QinQ IPv4 TCP']!.expected.bytes).toBe(14 + 8 + 20 + 20);
    expect(all['IPv6 no next header']!.expected.flow).toMatchObject({ protocol: PROTOCOL.NO_NEXT });
    expect(all['IPv4 ICMP port unreachable']!.expected.flow).toMatchObject({ icmpType: 3, icmpCode: 3 });
    expect(all['IPv4 TCP with every flag']!.expected.tcpFlags).toBe(0x1ff);
    expect(all['Five VLAN tags']!.expected.unparsed).toBe('header_chain');
    expect(all['VLAN ARP']!.expected.unparsed).toBe('not_ip');
    expect(laterFragments().ipv6.expected.flow).toMatchObject({ protocol: PROTOCOL.UDP, sourcePort: 0 });
    expect(laterFragments().ipv4.expected.flow).toMatchObject({ protocol: PROTOCOL.UDP, destinationPort: 0 });
  });

  it('calls a packet truncated exactly while a needed header is cut', () => {
    const whole = packet(
      ethernet(),
      vlan(7),
      ipv6({ source: 'fd00::1', destination: 'fd00::2' }),
      fragment(0, true),
      udp({ source: 1, destination: 2 }),
      payload(9),
    );
    const needed = 14 + 4 + 40 + 8 + 8;
    for (let length = 14; length <= whole.bytes.length; length++) {
      expect(truncate(whole, length).expected.unparsed, `${length} bytes`).toBe(
        length < needed ? 'truncated' : undefined,
      );
    }
  });

  it('reads and writes addresses', () => {
    for (const text of ['::', '::1', 'fd00::1:0:0:2', '2001:db8:1:2:3:4:5:6', '192.0.2.9', '1::']) {
      expect(addressText(addressBytes(text))).toBe(text);
    }
    expect(addressText(mappedAddress('192.0.2.9'))).toBe('192.0.2.9');
    expect(() => addressBytes('300.0.0.1')).toThrow(TypeError);
    expect(() => addressBytes('1:2')).toThrow(TypeError);
    expect(flowText(shapes()['IPv6 UDP']!.expected.flow!)).toBe('fd00:1::1>fd00:2::2 17 40000>8080');
  });
});
