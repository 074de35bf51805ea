import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate authority and what it signed, by openssl, in a folder of their own; gone when disposed of. */
export class Certificates implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'retina-tls-'));
  readonly ca: string;
  /** For `localhost`, `other.example` and 127.0.0.1: paths. */
  readonly server: { cert: string; key: string };
  readonly client: { cert: string; key: string };
  /** Signs nothing here: whoever trusts only it trusts no one. */
  readonly otherCa: string;

  constructor() {
    this.ca = this.authority('ca');
    this.otherCa = this.authority('other');
    this.server = this.signed('server', 'subjectAltName=DNS:localhost,DNS:other.example,IP:127.0.0.1');
    this.client = this.signed('client', 'extendedKeyUsage=clientAuth');
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private authority(name: string): string {
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
      '-subj', `/CN=${name}`, '-keyout', this.path(`${name}.key`), '-out', this.path(`${name}.crt`)); // prettier-ignore
    return this.path(`${name}.crt`);
  }

  private signed(name: string, extension: string): { cert: string; key: string } {
    const [key, request, cert, more] = ['key', 'csr', 'crt', 'ext'].map((end) => this.path(`${name}.${end}`));
    writeFileSync(more!, `${extension}\n`);
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${name}`,
      '-keyout', key!, '-out', request!); // prettier-ignore
    openssl('x509', '-req', '-days', '2', '-in', request!, '-CA', this.ca, '-CAkey', this.path('ca.key'),
      '-CAcreateserial', '-extfile', more!, '-out', cert!); // prettier-ignore
    return { cert: cert!, key: key! };
  }
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' });
}
