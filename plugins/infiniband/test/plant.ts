import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A tree on disk, gone when disposed of. */
export interface Planted extends Disposable {
  readonly root: string;
  /** Writes a file of it. */
  set(path: string, content: string): void;
  /** Path on disk of a file of it. */
  at(path: string): string;
}

/** Plants a recorded tree: lines of `path = content` (a line feed written \n) and `path -> target` of a symbolic link. */
export function plant(name?: string): Planted {
  const root = mkdtempSync(join(tmpdir(), 'retina-sysfs-'));
  const made = (path: string) => {
    const full = join(root, path);
    mkdirSync(dirname(full), { recursive: true });
    return full;
  };
  const set = (path: string, content: string) => writeFileSync(made(path), content);
  const text = name ? readFileSync(new URL(`../fixtures/${name}.tree`, import.meta.url), 'utf8') : '';
  for (const line of text.split('\n')) {
    const [, path, kind, rest] = /^([^#]\S*) (=|->) ?(.*)$/.exec(line) ?? [];
    if (!path) continue;
    if (kind === '=') set(path, rest!.replaceAll('\\n', '\n'));
    else symlinkSync(rest!, made(path));
  }
  return {
    root,
    set,
    at: (path) => join(root, path),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}
