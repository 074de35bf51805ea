import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { run } from '@retina/testkit';

/** What `npm publish` puts, and all that is known of a package: its versions' manifests. */
interface Packument {
  readonly name: string;
  readonly 'dist-tags': Record<string, string>;
  readonly versions: Record<string, unknown>;
}

interface Publication extends Packument {
  /** Packed files in base64. */
  readonly _attachments: Readonly<Record<string, { readonly data: string }>>;
}

/**
 * A registry that npm publishes to and installs from, as far as npm asks: packuments, packed files, and who may publish. What is
 * nobody's here it sends to the registry that npm is configured for; names that `own` matches it never does.
 */
export class Registry implements AsyncDisposable {
  readonly url: string;
  /** Who may publish. */
  readonly token = 'secret';
  private readonly server: Server;
  private readonly own: RegExp;
  private readonly elsewhere: string;
  private readonly packages = new Map<string, Packument>();
  /** By the path of their URL. */
  private readonly files = new Map<string, Buffer>();

  static async start(own: RegExp): Promise<Registry> {
    const elsewhere = (await run('npm', ['config', 'get', 'registry'])).stdout.trim();
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Registry(server, own, elsewhere);
  }

  private constructor(server: Server, own: RegExp, elsewhere: string) {
    this.server = server;
    this.own = own;
    this.elsewhere = elsewhere.replace(/\/$/, '');
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    server.on('request', (request, response) => void this.answer(request, response).catch(() => response.destroy()));
  }

  /** The argument by which npm knows the token. */
  get login(): string {
    return `--${this.url.replace(/^http:/, '')}:_authToken=${this.token}`;
  }

  /** `name@version` of everything published here. */
  get published(): readonly string[] {
    return [...this.packages.values()].flatMap(({ name, versions }) => Object.keys(versions).map((one) => `${name}@${one}`)); // prettier-ignore
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURIComponent(request.url!.replace(/\?.*/, ''));
    if (request.method === 'PUT') return this.publish(path.slice(1), request, response);
    if (request.method !== 'GET') return say(response, 404, { error: 'not here' });
    const file = this.files.get(path);
    if (file) return void response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(file);
    const found = this.packages.get(path.slice(1));
    if (found) return say(response, 200, found);
    if (this.own.test(path.slice(1))) return say(response, 404, { error: 'not found' });
    response.writeHead(302, { location: this.elsewhere + request.url! }).end();
  }

  private async publish(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.headers.authorization !== `Bearer ${this.token}`) return say(response, 401, { error: 'who are you?' });
    const given = JSON.parse(Buffer.concat(chunks).toString()) as Publication;
    const known = this.packages.get(name) ?? { name, 'dist-tags': {}, versions: {} };
    const taken = Object.keys(given.versions).find((version) => version in known.versions);
    if (taken !== undefined) return say(response, 409, { error: `${name}@${taken} is published already` });
    Object.assign(known.versions, given.versions);
    Object.assign(known['dist-tags'], given['dist-tags']);
    this.packages.set(name, known);
    for (const [file, { data }] of Object.entries(given._attachments)) {
      this.files.set(`/${name}/-/${file}`, Buffer.from(data, 'base64'));
    }
    say(response, 201, { ok: true });
  }
}

/** Nothing of it is to be kept by npm: the next run is another registry, maybe at the same port. */
function say(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}
