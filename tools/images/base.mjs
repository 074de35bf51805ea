// What an image needs below its JavaScript: Node, the C libraries that it and the loader name, certificates. No shell, no
// package manager, no compiler. Libraries are this machine's, with their packages' records, so that scanners know them.
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { NODE } from '../lib/paths.mjs';
import { capture } from '../lib/run.mjs';
import { fail } from '../lib/say.mjs';

const file = (data, mode = 0o644) => ({ data: Buffer.isBuffer(data) ? data : Buffer.from(data), mode });
const CERTIFICATES = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'];

/** The base of an image that runs Node and the native code in `addons`. */
export function baseTree(addons) {
  const tree = new Map([
    ['etc/passwd', file('root:x:0:0:root:/tmp:/nonexistent\nnonroot:x:65532:65532:nonroot:/tmp:/nonexistent\n')],
    ['etc/group', file('root:x:0:\nnonroot:x:65532:\n')],
    ['etc/nsswitch.conf', file('hosts: files dns\n')],
    ['tmp', { mode: 0o1777 }],
    ['run', { mode: 0o755 }],
    ['usr/local/bin/node', file(readFileSync(NODE), 0o755)],
  ]);
  const certificates = CERTIFICATES.find(existsSync);
  if (!certificates) fail('No certificate authorities are installed here.', 'apt-get install ca-certificates');
  tree.set('etc/ssl/certs/ca-certificates.crt', file(readFileSync(certificates)));
  if (existsSync('/etc/os-release')) tree.set('etc/os-release', file(readFileSync('/etc/os-release')));
  for (const library of libraries([NODE, ...addons])) {
    tree.set(library.slice(1), file(readFileSync(realpathSync(library)), 0o755));
    addRecord(tree, library);
  }
  return tree;
}

/** Paths of the shared libraries that the loader of programs would take for these files. */
function libraries(files) {
  const found = new Set();
  for (const one of files) {
    const text = capture('ldd', [one]);
    if (text === undefined) fail(`ldd cannot tell what ${one} needs.`, 'build for this machine, with glibc');
    for (const line of text.split('\n')) {
      const [, missing] = /^\s*(\S+) => not found/.exec(line) ?? [];
      if (missing)
        fail(`${basename(one)} needs ${missing}, which is not installed.`, 'npm start installs what is missing');
      const [, path] = /(?:=> |^\s*)(\/\S+) \(0x/.exec(line) ?? [];
      if (path) found.add(path);
    }
  }
  return [...found].sort();
}

/** Debian's record of the package a library came from, where distroless images keep theirs. */
function addRecord(tree, library) {
  const owner = ['', '/usr'].map((prefix) => capture('dpkg-query', ['-S', prefix + realpathSync(library).replace(/^\/usr/, '')])).find(Boolean); // prettier-ignore
  const name = owner?.split(/[:,]/)[0];
  const path = name && join('var/lib/dpkg/status.d', name);
  if (!path || tree.has(path)) return;
  const record = capture('dpkg-query', ['-s', name]);
  if (record) tree.set(path, file(`${record}\n`));
  const legal = `/usr/share/doc/${name}/copyright`;
  if (existsSync(legal)) tree.set(legal.slice(1), file(readFileSync(legal)));
}
