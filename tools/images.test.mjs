// What the images promise, without building them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { IMAGES, SHARED } from './images/definitions.mjs';
import { archive, layer } from './images/oci.mjs';
import { tar } from './images/tar.mjs';
import { ROOT } from './lib/paths.mjs';

const LONG = `${'long/'.repeat(30)}name-${'x'.repeat(40)}`;
const tree = new Map([
  ['b/file', { data: Buffer.from('hello'), mode: 0o644 }],
  [LONG, { data: Buffer.alloc(1024, 'x'), mode: 0o755 }],
  ['tmp', { mode: 0o1777 }],
  ['a', { link: 'b/file', mode: 0o777 }],
]);

/** Calls `use` with a folder that is gone afterwards. */
function inFolder(use) {
  const folder = mkdtempSync(join(tmpdir(), 'retina-images-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('an archive holds what it was given, as tar reads it', () => {
  inFolder((folder) => {
    const file = join(folder, 'x.tar');
    writeFileSync(file, tar(tree, 86_400));
    const list = execFileSync('tar', ['--utc', '-tvf', file], { encoding: 'utf8' });
    assert.match(list, /^-rw-r--r-- 0\/0 +5 1970-01-02 00:00 b\/file$/m);
    assert.match(list, /^drwxrwxrwt .* tmp\/$/m);
    assert.match(list, /^l.* a -> b\/file$/m);
    assert.match(list, new RegExp(`^-rwxr-xr-x 0/0 +1024 .* ${LONG}$`, 'm'));
  });
});

test('the same files give the same image, in whatever order they come', () => {
  inFolder((folder) => {
    const make = (entries, cache) =>
      archive({
        names: ['localhost/x:1'],
        layers: [{ ...layer(new Map(entries), 5, join(folder, cache)), comment: 'all' }],
        config: {},
        labels: {},
        architecture: 'amd64',
        seconds: 5,
      });
    const one = make([...tree], 'one');
    assert.deepEqual(make([...tree].reverse(), 'two').bytes, one.bytes);
    assert.deepEqual(make([...tree], 'one').bytes, one.bytes); // now from its cache
    assert.notDeepEqual(make([...tree].slice(1), 'one').digest, one.digest);
  });
});

test('a layer is what its digests say', () => {
  inFolder((folder) => {
    const { packed, unpacked } = layer(tree, 0, folder);
    assert.deepEqual(gunzipSync(packed), tar(tree, 0));
    assert.equal(unpacked, tar(tree, 0).length);
  });
});

test('each Dockerfile starts the image as the archive does', () => {
  for (const [name, { config }] of Object.entries(IMAGES)) {
    const text = readFileSync(join(ROOT, 'images', name, 'Dockerfile'), 'utf8');
    const all = (key) => [...text.matchAll(new RegExp(`^${key} (.*)$`, 'gm'))].map(([, value]) => value);
    assert.deepEqual(all('FROM'), ['scratch']);
    assert.deepEqual(all('ENV'), SHARED.Env);
    assert.deepEqual(all('WORKDIR'), [SHARED.WorkingDir]);
    assert.deepEqual(all('USER'), [config.User]);
    assert.deepEqual(all('ENTRYPOINT').map(JSON.parse), [config.Entrypoint]);
    assert.deepEqual(all('CMD').map(JSON.parse), config.Cmd ? [config.Cmd] : []);
  }
});
