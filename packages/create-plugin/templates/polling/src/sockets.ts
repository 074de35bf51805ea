const MAX_PROTOCOLS = 64;

export interface Sockets {
  readonly sockets: ReadonlyMap<string, number>;
  readonly badLines: number;
}

/** Reads lines such as `TCP: inuse 27 orphan 0`. Files lie: what is no such line is counted and passed over. */
export function parseSockets(text: string): Sockets {
  const sockets = new Map<string, number>();
  let badLines = 0;
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('sockets:')) continue;
    const parts = /^([A-Z0-9]{1,16}): inuse (\d{1,12})\b/.exec(line);
    if (parts && sockets.size < MAX_PROTOCOLS) sockets.set(parts[1]!.toLowerCase(), Number(parts[2]));
    else badLines++;
  }
  return { sockets, badLines };
}
