import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { a, aaaa, cname, message, type MessageSpec } from '../test/build.ts';
import { addressText } from './addresses.ts';
import { decode, FLAWS, Message, readable } from './decode.ts';
import { Arena } from './details.ts';
import { NAME_POINTER, nameText, readName } from './names.ts';

const into = new Message();

function read(bytes: Uint8Array, whole = true) {
  // not at the start of its buffer, as in a slab
  const slab = new Uint8Array(bytes.length + 100).fill(0xc0);
  slab.set(bytes, 50);
  const flaw = FLAWS[decode(slab, 50, 50 + bytes.length, whole, into)];
  return { flaw, name: into.name.length > 0 ? nameText(into.name.bytes, into.name.length) : undefined };
}

const details = (bytes: Uint8Array, latencyMs = -1) => {
  const arena = new Arena();
  const place = arena.keep(bytes, 0, bytes.length, latencyMs);
  return arena.chunk.details(place).dns;
};

/** A query of dig and its answer, taken from the wire. */
const DIG_QUERY =
  'b1c201200001000000000001076578616d706c6503636f6d000001000100002904d000000000000c000a0008b4d6f0a2f0c3b1e2';
const DIG_ANSWER =
  'b1c281800001000200000001076578616d706c6503636f6d0000010001c00c000100010000012c00045db8d822c00c000100010000003c00045db8d8230000291000000000000000';

describe('decode', () => {
  it('reads a query and an answer as they were on the wire', () => {
    expect(read(Buffer.from(DIG_QUERY, 'hex'))).toEqual({ flaw: 'none', name: 'example.com' });
    expect(into).toMatchObject({ id: 0xb1c2, response: false, type: 1, questions: 1, answers: 0, truncated: false });
    expect(read(Buffer.from(DIG_ANSWER, 'hex'))).toEqual({ flaw: 'none', name: 'example.com' });
    expect(into).toMatchObject({ id: 0xb1c2, response: true, code: 0, answers: 2, addresses: 2, ttl: 60 });
    expect(details(Buffer.from(DIG_ANSWER, 'hex'), 1.5)).toMatchObject({
      id: 0xb1c2, response: true, query: 'example.com', queryType: 'A', responseCode: 'NOERROR', truncated: false,
      addresses: ['93.184.216.34', '93.184.216.35'], cnames: [], ttl: 60, answers: 2, latencyMs: 1.5,
    }); // prettier-ignore
  });

  it('shows a chain of names in the record, all of it in JSON', () => {
    const bytes = message({
      response: true, name: 'WWW.Example.org', type: 28,
      answers: [cname('edge.example.net'), cname('e1.cdn.example', 'edge.example.net'), { ...aaaa(7), ttl: 5 }],
    }); // prettier-ignore
    expect(JSON.parse(JSON.stringify(details(bytes)))).toEqual({
      id: 1, response: true, query: 'WWW.Example.org', queryType: 'AAAA', truncated: false, responseCode: 'NOERROR', answers: 3,
      addresses: ['2001:db8::7'], cnames: ['edge.example.net', 'e1.cdn.example'], ttl: 5,
    }); // prettier-ignore
    // a query has none of what only answers have
    expect(JSON.parse(JSON.stringify(details(message({ name: 'a.b', type: 65 }))))).toEqual({
      id: 1, response: false, query: 'a.b', queryType: 'HTTPS', truncated: false,
    }); // prettier-ignore
  });

  it('folds case, and escapes as zone files do', () => {
    expect(read(message({ name: 'ExAmPlE.ORG' })).name).toBe('example.org');
    expect(read(message({ name: '.' })).name).toBe('.');
    expect(read(message({ name: Uint8Array.of(5, 0x61, 0x2e, 0x5c, 0x22, 0, 3, 0x20, 0xff, 0x7b, 0) })).name).toBe(
      'a\\.\\\\\\"\\000.\\032\\255{',
    );
  });

  it.each<[string, MessageSpec, string, Partial<Message>]>([
    ['the upper bits of a code', { additional: [{ name: '.', type: 41, ttl: 0x01000000, data: [] }] }, 'none', { code: 16 }],
    ['a code', { code: 3 }, 'none', { code: 3 }],
    ['the TC bit', { truncated: true }, 'none', { truncated: true }],
    ['more records than there are', { answers: [a(1, 2, 3, 4)], counts: [1, 9, 0, 0] }, 'records_cut', { addresses: 1 }],
    ['hundreds of addresses', { answers: Array.from({ length: 300 }, () => a(1, 2, 3, 4)) }, 'none', { addresses: 32 }],
    ['questions without end', { answers: [a(1, 2, 3, 4)], counts: [17, 1, 0, 0] }, 'questions_too_many', { addresses: 0 }],
    ['addresses of another class', { answers: [{ ...a(1, 2, 3, 4), class: 3 }] }, 'none', { addresses: 0 }],
    ['addresses of another length', { answers: [a(1, 2, 3), aaaa(1)] }, 'none', { addresses: 1 }],
    ['a record whose length lies', { answers: [{ type: 16, data: [] }], counts: [1, 2, 0, 0] }, 'records_cut', {}],
    ['a record with a label of an unknown kind', { answers: [{ name: Uint8Array.of(0x80), type: 1, data: [] }] }, 'records_label', {}],
    ['a record that points to itself', { answers: [{ name: Uint8Array.of(0xc0, 25), type: 1, data: [] }] }, 'records_pointer', {}],
    ['a second question', { counts: [2, 0, 0, 0] }, 'none', { questions: 2 }],
  ])('heeds %s', (_, spec, flaw, expected) => {
    expect(read(message({ response: true, name: 'example', ...spec }))).toEqual({ flaw, name: 'example' });
    expect(into).toMatchObject(expected);
  }); // prettier-ignore

  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'too_short'],
    ['eleven bytes', new Uint8Array(11), 'too_short'],
    ['a question that is not there', message({ counts: [1, 0, 0, 0] }), 'question_cut'],
    ['a name without end', message({ name: new Uint8Array([3, 65, 66, 67]) }).subarray(0, 16), 'question_cut'],
    ['a label longer than the message', message({ name: Uint8Array.of(63, 65) }).subarray(0, 16), 'question_cut'],
    ['a pointer to itself', message({ name: Uint8Array.of(0xc0, 12) }), 'question_pointer'],
    ['a pointer forwards', message({ name: Uint8Array.of(0xc0, 14, 0xc0, 12) }), 'question_pointer'],
    ['a label of the kind 01', message({ name: Uint8Array.of(0x41, 1, 0) }), 'question_label'],
    ['a name of 64 KiB', message({ name: new Uint8Array(65_000).map((_, i) => (i % 64 === 0 ? 63 : 65)) }), 'question_name_too_long'],
  ])('takes no message from %s', (_, bytes, flaw) => {
    expect(read(bytes).flaw).toBe(flaw);
    expect(readable(FLAWS.indexOf(flaw as (typeof FLAWS)[number]))).toBe(false);
    expect(() => JSON.stringify(details(bytes))).not.toThrow();
  }); // prettier-ignore

  it('blames no message for what was not copied of it', () => {
    const bytes = message({ response: true, name: 'example', answers: [a(1, 2, 3, 4), a(1, 2, 3, 5)] });
    expect(read(bytes.subarray(0, bytes.length - 3), false).flaw).toBe('none');
    expect(into).toMatchObject({ addresses: 1, answers: 2 });
  });

  it('reads back every name that can be', () => {
    const label = fc.uint8Array({ minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 12 }), (labels) => {
        const wire = Uint8Array.from(labels.flatMap((bytes) => [bytes.length, ...bytes]).concat(0));
        const { name } = read(message({ name: wire }));
        const back = [...name!.matchAll(/\\(\d{3})|\\(.)|([^\\])/gs)].map(([, code, quoted, plain]) =>
          code ? Number(code) : quoted ? quoted.charCodeAt(0) : plain === '.' ? -1 : plain!.charCodeAt(0),
        );
        const lower = labels.map((bytes) => [...bytes].map((b) => (b >= 65 && b <= 90 ? b + 32 : b)));
        expect(back).toEqual(lower.flatMap((bytes, i) => (i === 0 ? bytes : [-1, ...bytes])));
      }),
    );
  });

  it.each([
    [100, 'a'],
    [1000, undefined],
  ])('follows %i pointers to pointers: %s', (count, text) => {
    const bytes = new Uint8Array(15 + 2 * count);
    bytes.set([1, 0x61, 0], 12);
    for (let i = 0; i < count; i++) {
      const target = i === 0 ? 12 : 15 + 2 * (i - 1);
      bytes.set([0xc0 | (target >> 8), target & 0xff], 15 + 2 * i);
    }
    const name = { bytes: new Uint8Array(256), length: 0 };
    const behind = readName(bytes, 0, bytes.length - 2, bytes.length, name);
    expect(behind).toBe(text ? bytes.length : NAME_POINTER);
    if (text) expect(nameText(name.bytes, name.length)).toBe(text);
  });
});

describe('addressText', () => {
  it('agrees with the platform on every address', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(0xffff), (bytes, zeroes) => {
        for (let i = 0; i < 16; i++) if ((zeroes >> i) & 1) bytes[i] = 0;
        const plain = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16));
        if (plain.slice(0, 5).every((g) => g === '0') && plain[5] === 'ffff') return;
        expect(addressText(bytes, 0, 16)).toBe(new URL(`http://[${plain.join(':')}]`).hostname.slice(1, -1));
      }),
    );
    expect(addressText(Uint8Array.of(0, 192, 0, 2, 1), 1, 4)).toBe('192.0.2.1');
  });
});
