import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { hashSync } from 'bcryptjs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { family } from '@retina/testkit';
import { MetricsServer, type MetricsServerOptions } from './server.ts';
import { tlsConfig } from './tls.ts';

let folder: string;
let server: MetricsServer | undefined;
const at = (name: string) => path.join(folder, name);

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
}

/** A certificate for `name`, signed by `ca` or by itself. */
function certificate(name: string, san: string, ca?: string): void {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`];
  const by = ca ? ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`] : [];
  openssl('req', '-x509', ...key, '-out', `${name}.pem`, '-days', '2', '-subj', `/CN=${name}`, '-addext', `subjectAltName=${san}`, ...by); // prettier-ignore
}

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'retina-tls-'));
  certificate('ca', 'DNS:ca');
  certificate('one', 'IP:127.0.0.1', 'ca');
  certificate('two', 'IP:127.0.0.1', 'ca');
  certificate('client', 'DNS:scraper', 'ca');
  certificate('stranger', 'DNS:scraper');
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
});

async function serve(options: Partial<MetricsServerOptions>): Promise<string> {
  const metrics = { families: () => [family('up', [], [[[], 1]])] };
  const health = () => ({ live: true, ready: true, components: [], problems: [] });
  server = await MetricsServer.listen({ host: '127.0.0.1', port: 0, metrics, health, ...options });
  return server.url;
}

/** Status and, over TLS, the name the server showed; or the code of what went wrong. */
async function get(url: string, options: RequestOptions = {}): Promise<[number | string, unknown]> {
  const { readFileSync } = await import('node:fs');
  const request = httpsRequest(url, { ca: readFileSync(at('ca.pem')), agent: false, ...options }).end();
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    return [response.statusCode!, (response.socket as TLSSocket).getPeerCertificate().subject.CN];
  } catch (error) {
    return [(error as NodeJS.ErrnoException).code ?? 'error', undefined];
  }
}

const pair = (name: string) => ({ cert_file: at(`${name}.pem`), key_file: at(`${name}.key`) });
async function client(name: string): Promise<RequestOptions> {
  const { readFileSync } = await import('node:fs');
  return { cert: readFileSync(at(`${name}.pem`)), key: readFileSync(at(`${name}.key`)) };
}

describe('TLS', () => {
  it('goes over to a renewed certificate, and keeps the old one while the new is no good', async () => {
    for (const kind of ['pem', 'key']) copyFileSync(at(`one.${kind}`), at(`live.${kind}`));
    const url = await serve({ tls: tlsConfig.parse(pair('live')) });
    expect(url).toMatch(/^https:/);
    expect(await get(`${url}/metrics`)).toEqual([200, 'one']);
    writeFileSync(at('live.pem'), 'half a cert');
    expect(() => server!.renew()).toThrow(/no certificate and its key/);
    expect(await get(`${url}/metrics`)).toEqual([200, 'one']);
    for (const kind of ['pem', 'key']) copyFileSync(at(`two.${kind}`), at(`live.${kind}`));
    server!.renew();
    expect(await get(`${url}/metrics`)).toEqual([200, 'two']);
    await expect(serve({ tls: tlsConfig.parse({ ...pair('live'), key_file: '/nowhere' }) })).rejects.toMatchObject({
      code: 'RETINA_SOURCE_UNREACHABLE',
    });
  });

  it('asks clients for certificates as it is told to', async () => {
    const answers = async (more: object) => {
      const url = await serve({ tls: tlsConfig.parse({ ...pair('one'), ...more }) });
      const all = [];
      for (const who of [{}, await client('client'), await client('stranger')]) {
        all.push((await get(`${url}/metrics`, who))[0]);
      }
      await server![Symbol.asyncDispose]();
      return all.map((answer) => (typeof answer === 'number' ? answer : 'cut'));
    };
    const client_ca_file = at('ca.pem');
    expect(await answers({})).toEqual([200, 200, 200]);
    expect(await answers({ client_auth_type: 'RequireAnyClientCert' })).toEqual([403, 200, 200]);
    expect(await answers({ client_auth_type: 'VerifyClientCertIfGiven', client_ca_file })).toEqual([200, 200, 403]);
    const strict = { client_auth_type: 'RequireAndVerifyClientCert', client_ca_file };
    expect(await answers(strict)).toEqual(['cut', 200, 'cut']);
    expect(await answers({ ...strict, client_allowed_sans: ['somebody'] })).toEqual(['cut', 403, 'cut']);
    expect(await answers({ ...strict, client_allowed_sans: ['scraper'] })).toEqual(['cut', 200, 'cut']);
    expect(tlsConfig.safeParse({ ...pair('one'), client_auth_type: 'RequireAndVerifyClientCert' }).success).toBe(false);
  });
});

describe('credentials', () => {
  const basic = (user: string, password: string) => ({
    authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  });

  it('of users are checked against their hashes; probes need none and learn little', async () => {
    const hash = hashSync('s3cret:with colon', 4).replace('$2b$', '$2y$');
    const url = await serve({ access: { users: { alice: hash } } });
    const status = async (headers: Record<string, string>) => (await fetch(`${url}/metrics`, { headers })).status;
    for (let round = 0; round < 2; round++) {
      expect(await status(basic('alice', 's3cret:with colon'))).toBe(200);
      expect(await status(basic('alice', 'wrong'))).toBe(401);
      expect(await status(basic('bob', 's3cret:with colon'))).toBe(401);
      for (const authorization of ['', 'Basic', 'Basic !!!', 'Bearer x', 'Basic Og==']) {
        expect(await status({ authorization })).toBe(401);
      }
    }
    const denied = await fetch(`${url}/metrics`);
    expect([denied.status, denied.headers.get('www-authenticate')]).toEqual([401, 'Basic realm="metrics", charset="UTF-8"']); // prettier-ignore
    const probe = await fetch(`${url}/readyz`);
    expect([probe.status, await probe.json()]).toEqual([200, { status: 'ok' }]);
    const guesses = await Promise.all(Array.from({ length: 60 }, (_, n) => status(basic('alice', `guess ${n}`))));
    expect(new Set(guesses)).toEqual(new Set([401, 429])); // a flood of guesses waits for nobody
    expect(await status(basic('alice', 's3cret:with colon'))).toBe(200);
  });

  it('may be tokens, renewed in their file', async () => {
    const tokenFile = at('tokens');
    writeFileSync(tokenFile, 'first\n\n second \n');
    const url = await serve({ access: { tokenFile } });
    const status = async (token: string) =>
      (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).status;
    expect([await status('first'), await status('second'), await status(''), await status('third')]).toEqual([
      200, 200, 401, 401,
    ]);
    rmSync(tokenFile);
    expect(await status('first')).toBe(401);
    writeFileSync(tokenFile, 'third');
    expect([await status('first'), await status('third')]).toEqual([401, 200]);
  });
});
