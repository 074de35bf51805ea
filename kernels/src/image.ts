import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generator, patience } from '@retina/testkit/kernels';
import { ext4 } from './ext4.ts';
import { programsOf, ROOT } from './plugins.ts';
import { busybox } from './prepared.ts';
import type { Task } from './results.ts';
import { Tree } from './tree.ts';

const TASK = '/task.json';
/** What the test kit runs. Everything else of a small system is busybox. */
const PROGRAMS = ['ip', 'tc', 'nft', 'setpriv', 'bpftool', 'bash'];
const MAIN = fileURLToPath(new URL('inside/main.ts', import.meta.url));
/** How many times slower the emulator is, for everybody who waits. */
const SLOWER = 8;

/** Makes the root file system for all kernels: this machine's programs and the checkout, under their own paths. */
export async function rootImage(image: string, task: Task): Promise<void> {
  const folder = `${image}.tree`;
  const tree = new Tree(folder);
  try {
    for (const name of [
      'bin',
      'busybox',
      'sbin',
      'proc',
      'sys',
      'dev',
      'tmp',
      'run',
      'root',
      'etc',
      'lib/modules',
      'usr/bin',
    ])
      // prettier-ignore
      mkdirSync(tree.at(name), { recursive: true });
    tree.file(busybox(), '/bin/busybox');
    for (const name of ['sh', 'modprobe']) symlinkSync('/bin/busybox', tree.at(`${name === 'sh' ? 'bin' : 'sbin'}/${name}`)); // prettier-ignore
    for (const name of new Set([process.execPath, ...PROGRAMS, ...(await programsOf(task))])) await tree.program(name);
    const traffic = await generator();
    await tree.program(traffic);
    for (const folder of packages(task)) tree.workspacePackage(folder);
    await tree.libraries(join(ROOT, 'packages', 'loader', 'build', 'Release', 'retina_loader.node'));
    writeFileSync(tree.at('etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
    writeFileSync(tree.at('etc/group'), 'root:x:0:\n');
    writeFileSync(tree.at('etc/hosts'), '127.0.0.1 localhost\n::1 localhost\n');
    writeFileSync(tree.at(TASK), JSON.stringify({ ...task, ownClock: true } satisfies Task));
    writeFileSync(tree.at('init'), init(), { mode: 0o755 });
    await ext4(image, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function packages(task: Task): string[] {
  return [
    ...['packages/agent', 'packages/testkit', 'kernels'].map((name) => join(ROOT, name)),
    ...task.plugins.map(({ folder }) => folder),
  ];
}

/** Whether a folder lies below what the first process mounts something over: a checkout may be anywhere. */
function hidden(folder: string): boolean {
  return /^\/(tmp|run)\//.test(folder);
}

function uncover(folder: string): string {
  return `mkdir -p ${folder}\n[ -d /below${folder} ] && mount -o bind /below${folder} ${folder}\n`;
}

/** The first process. Its results go to the second serial line; the first one is the kernel's. */
function init(): string {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return `#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/busybox
/bin/busybox --install -s /busybox
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /below
mount -o bind / /below
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
${[ROOT, cache].filter(hidden).map(uncover).join('')}mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup /sys/fs/cgroup
mkdir -p /lib/modules/$(uname -r)
mount -t ext4 -o ro /dev/vdb /lib/modules/$(uname -r)
chmod 1777 /tmp
ip link set lo up
hostname kernels
stty -F /dev/ttyS1 raw -echo
export HOME=/root XDG_CACHE_HOME=${cache} RETINA_PATIENCE=${SLOWER * patience} NO_COLOR=1 NODE_COMPILE_CACHE=/tmp/compiled
cd ${ROOT}
${process.execPath} ${MAIN} ${TASK} >/dev/ttyS1
echo "ended with $?"
poweroff -f
`;
}
