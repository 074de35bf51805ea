import { lstatSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '@retina/testkit/kernels';

const ROOM = 1.15;
const BLOCK = 4096;

/** Makes a file system image of a folder. Needs no rights, for it mounts nothing. */
export async function ext4(image: string, folder: string): Promise<void> {
  const [used, files] = contents(folder);
  const blocks = Math.ceil(used * ROOM) + 4096;
  rmSync(image, { force: true });
  writeFileSync(image, '');
  truncateSync(image, blocks * BLOCK);
  const options = [
    '-q',
    '-t',
    'ext4',
    '-b',
    String(BLOCK),
    '-N',
    String(files + 4000),
    '-m',
    '0',
    '-O',
    '^has_journal',
  ];
  await run('mke2fs', [...options, '-E', 'root_owner=0:0', '-d', folder, image, String(blocks)]);
}

/** Blocks and files of a folder. */
function contents(folder: string): [blocks: number, files: number] {
  let [blocks, files] = [1, 0];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    const inside = entry.isDirectory() ? contents(path) : [Math.ceil(lstatSync(path).size / BLOCK), 0];
    blocks += inside[0]!;
    files += inside[1]! + 1;
  }
  return [blocks, files];
}
