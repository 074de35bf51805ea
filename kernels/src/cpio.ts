/** A file of an initial RAM disk: a folder when it has no content. */
export interface Entry {
  readonly path: string;
  readonly content?: Uint8Array;
  readonly executable?: boolean;
}

const FOLDER = 0o040755;
const FILE = 0o100644;
const PROGRAM = 0o100755;
const HEADER = 110;

/** An archive in the format the kernel unpacks at its start ("newc"). Folders come before what lies in them. */
export function cpio(entries: readonly Entry[]): Buffer {
  const parts = [...entries, { path: 'TRAILER!!!', content: new Uint8Array(0) }].flatMap((entry, index) => {
    const name = Buffer.from(`${entry.path}\0`);
    const content = entry.content ?? new Uint8Array(0);
    const mode = entry.content === undefined ? FOLDER : entry.executable ? PROGRAM : FILE;
    // magic, inode, mode, owner, group, links, time, size, device ×2, device of a node ×2, length of the name, checksum
    const fields = [index + 1, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    return [Buffer.from(header), name, padding(HEADER + name.length), content, padding(content.length)];
  });
  return Buffer.concat(parts);
}

function padding(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4);
}
