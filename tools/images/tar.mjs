// A tar writer whose output depends on nothing but what goes in: sorted names, one time, root's files.
import { Buffer } from 'node:buffer';

const BLOCK = 512;

/**
 * A tree to be packed: path without a leading slash -> {data | link, mode}. Folders above a file need not be named.
 * @typedef {Map<string, {data?: Buffer, link?: string, mode: number}>} Tree
 */

/** The bytes of a tar archive of `tree`, every entry of the time `seconds`. */
export function tar(tree, seconds) {
  const all = new Map();
  for (const [path, entry] of tree) {
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
      const folder = path.slice(0, at);
      if (!all.has(folder)) all.set(folder, tree.get(folder) ?? { mode: 0o755 });
    }
    all.set(path, entry);
  }
  const names = [...all.keys()].sort((a, b) => (a < b ? -1 : 1));
  const parts = names.flatMap((path) => entry(path, all.get(path), seconds));
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function entry(path, { data, link, mode }, seconds) {
  const type = link !== undefined ? '2' : data ? '0' : '5';
  const name = type === '5' ? `${path}/` : path;
  const parts = [];
  const records = [];
  if (Buffer.byteLength(name) > 100) records.push(record('path', name));
  if (link !== undefined && Buffer.byteLength(link) > 100) records.push(record('linkpath', link));
  if (records.length) {
    const body = Buffer.from(records.join(''));
    parts.push(header('pax', { type: 'x', size: body.length, mode: 0o644, seconds }), padded(body));
  }
  parts.push(header(cut(name), { type, size: data?.length ?? 0, mode, seconds, link: link && cut(link) }));
  if (data?.length) parts.push(padded(data));
  return parts;
}

function header(name, { type, size, mode, seconds, link = '' }) {
  const block = Buffer.alloc(BLOCK);
  const octal = (value, at, length) => block.write(value.toString(8).padStart(length - 1, '0'), at);
  block.write(name, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(seconds, 136, 12);
  block.write('        ', 148);
  block.write(type, 156);
  block.write(link, 157);
  block.write('ustar\u000000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

const cut = (text) => Buffer.from(text).subarray(0, 100).toString();

/** An extended header's record: its length counts its own digits. */
function record(key, value) {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function padded(data) {
  const rest = data.length % BLOCK;
  return rest === 0 ? data : Buffer.concat([data, Buffer.alloc(BLOCK - rest)]);
}
