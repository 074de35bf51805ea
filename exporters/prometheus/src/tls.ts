import { readFileSync, statSync } from 'node:fs';
import type { TlsOptions } from 'node:tls';
import { RetinaError } from '@retina/sdk';
import { z } from 'zod';

const CLIENT_AUTH = [
  'NoClientCert', 'RequestClientCert', 'RequireAnyClientCert', 'VerifyClientCertIfGiven', 'RequireAndVerifyClientCert',
] as const; // prettier-ignore
export type ClientAuth = (typeof CLIENT_AUTH)[number];
const VERSIONS = { TLS12: 'TLSv1.2', TLS13: 'TLSv1.3' } as const;

const version = z.enum(['TLS12', 'TLS13']);
const file = z.string().min(1);

/** `tls_server_config` of Prometheus' web configuration file. */
export const tlsConfig = z
  .strictObject({
    cert_file: file.describe('Certificate chain, PEM. Read again when it changes.'),
    key_file: file.describe('Its private key, PEM.'),
    client_ca_file: file.optional().describe('Authorities that client certificates are checked against, PEM.'),
    client_auth_type: z.enum(CLIENT_AUTH).default('NoClientCert').describe('What is asked of clients.'),
    client_allowed_sans: z.array(z.string().min(1)).optional().describe('Alternative names one of which a client certificate must have.'), // prettier-ignore
    min_version: version.default('TLS12').describe('Oldest version that is spoken.'),
    max_version: version.optional().describe('Newest version that is spoken.'),
    cipher_suites: z.array(z.string().min(1)).optional().describe('TLS 1.2 cipher suites, by their names in OpenSSL.'),
  })
  .superRefine(({ client_ca_file, client_auth_type, client_allowed_sans }, ctx) => {
    const verifies = client_auth_type.includes('Verify');
    const wrong = (key: string, message: string) => ctx.addIssue({ code: 'custom', path: [key], message });
    if (verifies && !client_ca_file) wrong('client_ca_file', `${client_auth_type} needs one`);
    if (client_ca_file && !verifies) wrong('client_auth_type', 'must verify where client_ca_file is given');
    if (client_allowed_sans && client_auth_type !== 'RequireAndVerifyClientCert') {
      wrong('client_allowed_sans', 'needs RequireAndVerifyClientCert');
    }
  });
export type TlsConfig = z.output<typeof tlsConfig>;

/** The files of a TLS configuration, which may be renewed while they are in use. */
export class TlsFiles {
  private readonly config: TlsConfig;
  private print = '';

  constructor(config: TlsConfig) {
    this.config = config;
  }

  /** @throws RETINA_SOURCE_UNREACHABLE naming the file that cannot be used. */
  read(): TlsOptions {
    const { config } = this;
    const auth = config.client_auth_type;
    const print = this.stamp();
    const options: TlsOptions = {
      cert: content('cert_file', config.cert_file),
      key: content('key_file', config.key_file),
      ...(config.client_ca_file && { ca: content('client_ca_file', config.client_ca_file) }),
      requestCert: auth !== 'NoClientCert',
      rejectUnauthorized: auth === 'RequireAndVerifyClientCert',
      minVersion: VERSIONS[config.min_version],
      ...(config.max_version && { maxVersion: VERSIONS[config.max_version] }),
      ...(config.cipher_suites && { ciphers: config.cipher_suites.join(':') }),
    };
    try {
      process.getBuiltinModule('node:tls').createSecureContext(options);
    } catch (error) {
      throw unusable(`${config.cert_file} and ${config.key_file} are no certificate and its key`, error);
    }
    this.print = print;
    return options;
  }

  /** The options anew, if a file changed since they were read. @throws as `read`; what is half-written is tried again next time. */
  changed(): TlsOptions | undefined {
    return this.stamp() === this.print ? undefined : this.read();
  }

  private stamp(): string {
    const { cert_file, key_file, client_ca_file } = this.config;
    return [cert_file, key_file, client_ca_file ?? ''].map((path) => (path ? stampOf(path) : '')).join();
  }
}

function stampOf(path: string): string {
  try {
    const { mtimeMs, ino, size } = statSync(path);
    return `${mtimeMs} ${ino} ${size}`;
  } catch {
    return 'none';
  }
}

function content(key: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw unusable(`tls_server_config.${key} cannot be read`, error);
  }
}

function unusable(summary: string, error: unknown): RetinaError {
  return new RetinaError('RETINA_SOURCE_UNREACHABLE', summary, {
    found: (error as Error).message,
    needed: 'files in PEM form that this process may read',
    next: 'correct the path or the file; it is tried again',
    retryable: true,
    cause: error,
  });
}
