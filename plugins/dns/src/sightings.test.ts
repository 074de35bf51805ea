import { describe, expect, it } from 'vitest';
import { message } from '../test/build.ts';
import { Packet, UDP } from './packet.ts';
import { Print } from './print.ts';
import { Sightings } from './sightings.ts';

interface Seen {
  readonly tap: number;
  readonly at: number;
  readonly client?: number;
  readonly port?: number;
  readonly egress?: boolean;
  readonly uplink?: boolean;
  readonly id?: number;
  readonly response?: boolean;
}

function packetOf({
  tap,
  at,
  client = 10,
  port = 4000,
  egress = false,
  uplink = false,
  response = false,
}: Seen): Packet {
  const packet = new Packet();
  packet.family = 4;
  packet.protocol = UDP;
  packet.ifindex = tap;
  packet.at = at;
  packet.egress = egress;
  packet.uplink = packet.network = uplink;
  packet.words[response ? 7 : 3] = client;
  packet.words[response ? 3 : 7] = 53;
  [packet.sourcePort, packet.destinationPort] = response ? [53, port] : [port, 53];
  return packet;
}

function sightings() {
  const all = new Sightings();
  const print = new Print();
  return (...seen: Seen[]) =>
    seen.map((one) => {
      const bytes = message({ id: one.id ?? 1, name: 'example.com', response: one.response ?? false });
      print.take(bytes, 0, bytes.length);
      return all.first(packetOf(one), one.response ?? false, print);
    });
}

describe('a message at several taps', () => {
  it('is counted at the first of them', () => {
    const see = sightings();
    expect(see({ tap: 1, at: 0 }, { tap: 2, at: 0.1, egress: true }, { tap: 3, at: 0.2, egress: true, uplink: true })).toEqual([true, false, false]);
  }); // prettier-ignore

  it('is known again behind a translated address', () => {
    const see = sightings();
    const masqueraded = { tap: 9, uplink: true, egress: true, client: 99, port: 61_000 };
    expect(see({ tap: 1, at: 0 }, { ...masqueraded, at: 1 })).toEqual([true, false]);
    // too late to be the same
    expect(see({ tap: 1, at: 1000, id: 2 }, { ...masqueraded, at: 1030, id: 2 })).toEqual([true, true]);
  });

  it('is another one when it is sent again, with the first on its way or not', () => {
    const see = sightings();
    expect(see({ tap: 1, at: 0 }, { tap: 1, at: 1 }, { tap: 2, at: 2 }, { tap: 2, at: 3 })).toEqual([true, true, false, false]);
    expect(see({ tap: 1, at: 500 }, { tap: 2, at: 501 }, { tap: 1, at: 502 }, { tap: 2, at: 503 })).toEqual([true, false, true, false]);
  }); // prettier-ignore

  it('is not mistaken for one of another client, name, or port', () => {
    const see = sightings();
    expect(see({ tap: 1, at: 0 }, { tap: 2, at: 1, client: 11 }, { tap: 3, at: 2, port: 4001 }, { tap: 3, at: 3, id: 7 })).toEqual([true, true, true, true]);
  }); // prettier-ignore

  it('is counted once for each time it passes the tap that sees most, if others miss some', () => {
    const see = sightings();
    expect(see({ tap: 1, at: 0 }, { tap: 2, at: 1 }, { tap: 2, at: 2 }, { tap: 1, at: 3 })).toEqual([true, false, true, false]);
  }); // prettier-ignore

  it('is known among a hundred thousand others, and for as long as it comes again', () => {
    const all = new Sightings();
    const bytes = message({ name: 'example.com' });
    const print = new Print();
    print.take(bytes, 0, bytes.length);
    const see = (tap: number, n: number, at: number) =>
      all.first(packetOf({ tap, at, client: n >> 12, port: n & 4095 }), false, print) ? 1 : 0;
    let [others, own] = [0, 0];
    for (let n = 0; n < 100_000; n++) {
      others += see(1, n, n / 100) + (n >= 1000 ? see(2, n - 1000, n / 100) : 0);
      // its copies pass two taps by turns, six thousand other messages between them
      if (n % 3000 === 0) own += see(1 + ((n / 3000) & 1), -1, n / 100);
    }
    expect({ others, own }).toEqual({ others: 100_000, own: 17 });
  });
});

describe('a response', () => {
  const bytes = message({ name: 'example.com', response: true });
  const print = new Print();
  print.take(bytes, 0, bytes.length);
  const at = (tap: number, time: number) => packetOf({ tap, at: time, response: true });

  it('is counted where its query was, however the copies come', () => {
    const all = new Sightings();
    const [server, client] = [1, 2];
    all.passing(at(server, 0), print);
    // sent twice: the second answers no query that still waits
    expect(all.first(at(server, 1), true, print)).toBe(true);
    expect(all.arrived(at(client, 2), print)).toBe(true);
    expect(all.first(at(client, 3), true, print)).toBe(false);
  });

  it('is counted where it arrives although the query it answers was taken for answered', () => {
    const all = new Sightings();
    const [server, client] = [1, 2];
    // two answers, and queries between them: each finds another query than its own
    expect(all.first(at(server, 0), true, print)).toBe(true);
    expect(all.arrived(at(client, 1), print)).toBe(false);
    all.passing(at(server, 2), print);
    expect(all.first(at(client, 3), true, print)).toBe(true);
  });

  it('is not counted again where its query was, if it was taken for unexpected before', () => {
    const all = new Sightings();
    expect(all.first(at(1, 0), true, print)).toBe(true);
    expect(all.arrived(at(2, 1), print)).toBe(false);
  });
});
