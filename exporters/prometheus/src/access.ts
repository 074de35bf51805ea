import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { PasswordCheck } from './password-check.ts';
import type { ClientAuth } from './tls.ts';

export interface AccessOptions {
  /** bcrypt hashes by user. */
  readonly users?: Readonly<Record<string, string>> | undefined;
  /** A file with tokens, one a line; read again when it changes. */
  readonly tokenFile?: string | undefined;
}

export interface Denied {
  readonly status: 401 | 403 | 429;
  readonly text: string;
  readonly challenge?: string;
}

/** Who may read metrics: by client certificate, by password, by token. */
export class Access {
  /** Whether nothing is asked of anybody. */
  readonly open: boolean;
  private readonly options: AccessOptions;
  private readonly auth: ClientAuth;
  private readonly sans: ReadonlySet<string> | undefined;
  private readonly passwords: PasswordCheck;
  private tokens: readonly Buffer[] = [];
  private tokenStamp = '';

  constructor(options: AccessOptions, auth: ClientAuth = 'NoClientCert', sans?: readonly string[]) {
    this.options = options;
    this.auth = auth;
    this.sans = sans && new Set(sans);
    this.passwords = new PasswordCheck(options.users ?? {});
    this.open = !options.users && !options.tokenFile && auth === 'NoClientCert';
  }

  /** Why a request is turned away; undefined if it may pass. */
  async check(request: IncomingMessage): Promise<Denied | undefined> {
    const certificate = this.certificate(request.socket as TLSSocket);
    if (certificate) return certificate;
    const { users, tokenFile } = this.options;
    if (!users && !tokenFile) return undefined;
    const [scheme = '', credentials = ''] = (request.headers.authorization ?? '').split(/ +/, 2);
    if (tokenFile && scheme.toLowerCase() === 'bearer' && this.knows(credentials)) return undefined;
    if (users && scheme.toLowerCase() === 'basic') {
      const text = Buffer.from(credentials, 'base64').toString();
      const colon = text.indexOf(':');
      const answer = colon < 0 ? false : await this.passwords.check(text.slice(0, colon), text.slice(colon + 1));
      if (answer === 'busy') return { status: 429, text: 'too many passwords to check\n' };
      if (answer) return undefined;
    }
    const challenge = users ? 'Basic realm="metrics", charset="UTF-8"' : 'Bearer realm="metrics"';
    return { status: 401, text: 'credentials are needed\n', challenge };
  }

  /** RequireAndVerifyClientCert is the handshake's affair; what it lets pass by is looked at here. */
  private certificate(socket: TLSSocket): Denied | undefined {
    if (this.auth === 'NoClientCert' || this.auth === 'RequestClientCert') return undefined;
    const peer = socket.getPeerCertificate();
    const given = Object.keys(peer).length > 0;
    if (!given && this.auth !== 'VerifyClientCertIfGiven') return { status: 403, text: 'a client certificate is needed\n' }; // prettier-ignore
    if (given && this.auth === 'VerifyClientCertIfGiven' && !socket.authorized) {
      return { status: 403, text: 'the client certificate is not trusted\n' };
    }
    if (!this.sans) return undefined;
    const names = (peer.subjectaltname ?? '').split(', ').map((name) => name.replace(/^[A-Za-z ]+:/, ''));
    return names.some((name) => this.sans!.has(name)) ? undefined : { status: 403, text: 'no allowed name\n' };
  }

  private knows(token: string): boolean {
    this.readTokens(this.options.tokenFile!);
    const given = digest(token);
    let known = false;
    for (const one of this.tokens) known = timingSafeEqual(one, given) || known;
    return known;
  }

  private readTokens(file: string): void {
    try {
      const { mtimeMs, ino, size } = statSync(file);
      const stamp = `${mtimeMs} ${ino} ${size}`;
      if (stamp === this.tokenStamp) return;
      const lines = readFileSync(file, 'utf8').split('\n');
      this.tokens = lines.map((line) => line.trim()).filter(Boolean).map(digest); // prettier-ignore
      this.tokenStamp = stamp;
    } catch {
      this.tokens = []; // no file, no entry
      this.tokenStamp = '';
    }
  }
}

const salt = randomBytes(16);

/** Of equal length whatever the text, and useless to whoever reads this process' memory dump. */
function digest(text: string): Buffer {
  return createHash('sha256').update(salt).update(text).digest();
}
