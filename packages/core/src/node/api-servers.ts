import { isIP } from 'node:net';
import type { ApiServers, ServerAddress } from '@retina/sdk';
import { parseAddress } from '../identity/address.ts';

/** `10.0.0.1:443` or `[fd00::1]:6443`; undefined if it is neither. */
export function parseServer(text: string): ServerAddress | undefined {
  const [, bracketed, bare, digits = ''] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? bare ?? '';
  const port = Number(digits);
  if (isIP(host) !== (bracketed === undefined ? 4 : 6) || port < 1 || port > 65_535) return undefined;
  return { address: parseAddress(host)!, port };
}

/** Where the API server is reached, by the configuration and by the cluster. Who watches is told of changes. */
export class ConfiguredApiServers implements ApiServers {
  private servers: readonly ServerAddress[] = [];
  private texts: readonly string[];
  private others: readonly string[] = [];
  private readonly listeners = new Set<(servers: readonly ServerAddress[]) => void>();

  constructor(texts: readonly string[]) {
    this.texts = texts;
    this.servers = parse(texts);
  }

  configure(texts: readonly string[]): void {
    this.texts = texts;
    this.tell();
  }

  /** Those a cluster knows, in place of what it knew. */
  found(texts: readonly string[]): void {
    if (this.others.join() === texts.join()) return;
    this.others = texts;
    this.tell();
  }

  private tell(): void {
    this.servers = parse([...new Set([...this.texts, ...this.others])]);
    for (const listener of [...this.listeners]) listener(this.servers);
  }

  list(): readonly ServerAddress[] {
    return this.servers;
  }

  watch(listener: (servers: readonly ServerAddress[]) => void): Disposable {
    // Its own function each time: the same listener may watch twice.
    const own = (servers: readonly ServerAddress[]) => listener(servers);
    this.listeners.add(own);
    own(this.servers);
    return { [Symbol.dispose]: () => void this.listeners.delete(own) };
  }
}

function parse(texts: readonly string[]): readonly ServerAddress[] {
  return texts.flatMap((text) => parseServer(text) ?? []);
}
