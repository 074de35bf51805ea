import { createSocket, type Socket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answer } from './resolver.ts';

let socket: Socket;
const resolver = new Resolver({ timeout: 1000, tries: 1 });
beforeAll(async () => {
  socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const reply = answer(query);
    if (reply) socket.send(reply, from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
});
afterAll(() => socket.close());

describe("the demonstration's resolver, asked by a stock client", () => {
  it('answers A and AAAA', async () => {
    expect(await resolver.resolve4('server.demo.svc.cluster.local')).toEqual(['198.18.77.2']);
    expect(await resolver.resolve6('Resolver.demo.svc.cluster.local')).toEqual(['2001:db8:77::3']);
  });

  it('denies what does not exist', async () => {
    await expect(resolver.resolve4('absent.demo.svc.cluster.local')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await expect(resolver.resolveMx('server.demo.svc.cluster.local')).rejects.toMatchObject({ code: 'ENODATA' });
  });

  it('ignores what is no query', () => {
    for (const text of [
      '',
      '000081800001',
      '00000100000100000000000005',
      '0000010000010000000000003f61',
      '0000010000010000000000000061',
    ]) {
      const bytes = Buffer.from(text, 'hex');
      expect(() => answer(bytes)).not.toThrow();
      expect(answer(bytes)).toBeUndefined();
    }
  });
});
