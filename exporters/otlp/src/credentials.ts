import { readFile, stat } from 'node:fs/promises';
import { RetinaError } from '@retina/sdk';
import type { OtlpConfig } from './options.ts';

/** What a connection needs to be made and a request to be accepted. */
export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

/** Longest file that is read: none of these is long. */
const LONGEST = 1024 * 1024;

/** Headers and certificates, some of them in files that somebody else rotates. */
export class CredentialFiles {
  private readonly config: OtlpConfig;
  private readonly files: readonly string[];
  private stamp = '';
  private current: Credentials | undefined;

  constructor(config: OtlpConfig) {
    this.config = config;
    const { ca, cert, key } = config.tls;
    this.files = [ca, cert, key, ...Object.values(config.headerFiles)].filter((file) => file !== undefined);
  }

  /**
   * The credentials as they are now, the same object while no file has changed. A file that went away or cannot be read while it is
   * replaced leaves those there were. Throws RETINA_SOURCE_UNREACHABLE for what cannot be read the first time.
   */
  async read(): Promise<Credentials> {
    try {
      const stamp = (await Promise.all(this.files.map(stampOf))).join();
      if (this.current && stamp === this.stamp) return this.current;
      this.current = await this.load();
      this.stamp = stamp;
    } catch (error) {
      if (!this.current) throw error;
    }
    return this.current;
  }

  private async load(): Promise<Credentials> {
    const { tls, headers, headerFiles } = this.config;
    const [ca, cert, key] = await Promise.all([tls.ca, tls.cert, tls.key].map(contentOf));
    const fromFiles: Record<string, string> = {};
    for (const [name, file] of Object.entries(headerFiles)) {
      const text = (await content(file)).toString('utf8').trim();
      if (!/^[\x20-\x7e]+$/.test(text))
        throw unreadable(file, 'what is no header value', 'one line of printable ASCII');
      fromFiles[name] = text;
    }
    return {
      headers: { ...headers, ...fromFiles },
      ca: ca || undefined,
      cert: cert || undefined,
      key: key || undefined,
    };
  }
}

async function stampOf(file: string): Promise<string> {
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    throw unreadable(file, error.code ?? error.message, 'a file this process may read');
  });
  return `${found.ino} ${found.mtimeMs} ${found.size}`;
}

async function contentOf(file: string | undefined): Promise<Buffer | undefined> {
  return file === undefined ? undefined : content(file);
}

async function content(file: string): Promise<Buffer> {
  const found = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw unreadable(file, error.code ?? error.message, 'a file this process may read');
  });
  if (found.length > LONGEST) throw unreadable(file, `${found.length} bytes`, `at most ${LONGEST}`);
  return found;
}

function unreadable(file: string, found: string, needed: string): RetinaError {
  return new RetinaError('RETINA_SOURCE_UNREACHABLE', `the file ${file} of the OTLP exporter cannot be used`, {
    found,
    needed,
    next: 'correct the path in tls or headerFiles, or mount the file',
  });
}
