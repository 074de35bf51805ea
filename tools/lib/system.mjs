import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { libbpfIsBuilt } from './libbpf.mjs';
import { capture, exists, run } from './run.mjs';
import { confirm, fail, step } from './say.mjs';

/** What must be on the machine, how to see that it is, and what each package manager calls it. */
const BUILD = [
  { what: 'clang', found: () => exists('clang'), apt: 'clang', dnf: 'clang', apk: 'clang' },
  { what: 'llvm-strip', found: () => exists('llvm-strip'), apt: 'llvm', dnf: 'llvm', apk: 'llvm' },
  { what: 'a C++ compiler', found: () => exists('c++'), apt: 'g++', dnf: 'gcc-c++', apk: 'g++' },
  { what: 'make', found: () => exists('make'), apt: 'make', dnf: 'make', apk: 'make' },
  { what: 'cmake', found: () => exists('cmake'), apt: 'cmake', dnf: 'cmake', apk: 'cmake' },
  { what: 'pkg-config', found: () => exists('pkg-config'), apt: 'pkg-config', dnf: 'pkgconf-pkg-config', apk: 'pkgconf' },
  { what: 'libelf', found: () => header('libelf.h'), apt: 'libelf-dev', dnf: 'elfutils-libelf-devel', apk: 'elfutils-dev' },
  { what: 'zlib', found: () => header('zlib.h'), apt: 'zlib1g-dev', dnf: 'zlib-devel', apk: 'zlib-dev' },
  { what: 'Linux headers', found: () => header('linux/bpf.h'), apt: 'linux-libc-dev', dnf: 'kernel-headers', apk: 'linux-headers' },
  { what: 'ip', found: () => exists('ip'), apt: 'iproute2', dnf: 'iproute', apk: 'iproute2' },
  { what: 'nft', found: () => exists('nft'), apt: 'nftables', dnf: 'nftables', apk: 'nftables' },
]; // prettier-ignore

/** What only tests and benchmarks use. */
const TEST = [
  { what: 'tc', found: () => exists('tc'), apt: 'iproute2', dnf: 'iproute-tc', apk: 'iproute2-tc' },
  { what: 'bpftool', found: () => bpftoolFolder() !== undefined, apt: bpftoolPackage(), dnf: 'bpftool', apk: 'bpftool' },
  { what: 'sysctl', found: () => exists('sysctl'), apt: 'procps', dnf: 'procps-ng', apk: 'procps' },
  { what: 'script', found: () => exists('script'), apt: 'bsdutils', dnf: 'util-linux-script', apk: 'util-linux-misc' },
  { what: 'ethtool', found: () => exists('ethtool'), apt: 'ethtool', dnf: 'ethtool', apk: 'ethtool' },
  { what: 'iperf3', found: () => exists('iperf3'), apt: 'iperf3', dnf: 'iperf3', apk: 'iperf3' },
  { what: 'promtool', found: () => exists('promtool'), apt: 'prometheus', dnf: 'golang-github-prometheus', apk: 'prometheus' },
  { what: 'setpriv', found: () => exists('setpriv'), apt: 'util-linux', dnf: 'util-linux', apk: 'setpriv' },
  { what: 'setcap', found: () => exists('setcap'), apt: 'libcap2-bin', dnf: 'libcap', apk: 'libcap-utils' },
  { what: 'the address sanitizer', found: () => compilesWith('-fsanitize=address,undefined'), apt: 'g++', dnf: 'libasan libubsan', apk: 'g++' },
  { what: 'libFuzzer', found: () => compilesWith('-fsanitize=fuzzer', 'clang++', FUZZER), get apt() { return fuzzerPackage(); }, dnf: 'compiler-rt', apk: 'compiler-rt' },
  { what: 'clang-format', found: () => exists('clang-format'), apt: 'clang-format', dnf: 'clang-tools-extra', apk: 'clang-extra-tools' },
]; // prettier-ignore

/** What only the tests on other kernels use. They come from Debian, so apt is needed as well. */
const KERNELS = [
  { what: 'the emulator', found: () => exists('qemu-system-x86_64'), apt: 'qemu-system-x86', dnf: 'qemu-system-x86-core', apk: 'qemu-system-x86_64' },
  { what: 'busybox without libraries', found: () => staticBusybox(), apt: 'busybox-static', dnf: 'busybox', apk: 'busybox-static' },
  { what: 'mke2fs', found: () => exists('mke2fs'), apt: 'e2fsprogs', dnf: 'e2fsprogs', apk: 'e2fsprogs' },
  { what: 'apt', found: () => exists('apt-get') && exists('dpkg-deb'), apt: 'apt dpkg', dnf: 'apt dpkg', apk: 'apt dpkg' },
  { what: 'Debian’s keys', found: () => existsSync('/usr/share/keyrings/debian-archive-keyring.gpg'), apt: 'debian-archive-keyring', dnf: 'debian-keyring', apk: 'debian-archive-keyring' },
]; // prettier-ignore

const LIBBPF = { what: 'libbpf 1.0 or newer', found: () => libbpfVersion() >= 1, apt: 'libbpf-dev', dnf: 'libbpf-devel libbpf-static', apk: 'libbpf-dev' }; // prettier-ignore

function header(name) {
  return ['/usr/include', '/usr/local/include', `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`].some((dir) => existsSync(`${dir}/${name}`)); // prettier-ignore
}

/** `ldd` fails for programs that need no libraries. */
function staticBusybox() {
  return exists('busybox') && capture('sh', ['-c', 'ldd "$(command -v busybox)"']) === undefined;
}

function bpftoolPackage() {
  // Debian has a package of that name; Ubuntu ships it with the kernel's tools.
  return osRelease('ID') === 'ubuntu' ? 'linux-tools-generic' : 'bpftool';
}

/**
 * What to put in front of the path for bpftool, which may be nothing. Ubuntu's is a script that looks for the tools of the
 * running kernel; where that is another one, any kernel's do. Undefined: there is none.
 */
export function bpftoolFolder() {
  if (capture('bpftool', ['version']) !== undefined) return '';
  const all = existsSync(LINUX_TOOLS) ? readdirSync(LINUX_TOOLS).map((kernel) => `${LINUX_TOOLS}/${kernel}`) : [];
  return all.findLast((folder) => existsSync(`${folder}/bpftool`));
}

const LINUX_TOOLS = '/usr/lib/linux-tools';

function compilesWith(flag, compiler = 'c++', program = 'int main(){}') {
  return capture('sh', ['-c', `echo '${program}' | ${compiler} -x c++ ${flag} -o /dev/null -`]) !== undefined;
}

const FUZZER = 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }';

function fuzzerPackage() {
  // Older distributions have it in a package that clang brings along.
  return capture('apt-cache', ['show', 'libclang-rt-dev']) === undefined ? 'clang' : 'libclang-rt-dev';
}

function osRelease(key) {
  if (!existsSync('/etc/os-release')) return undefined;
  const line = readFileSync('/etc/os-release', 'utf8')
    .split('\n')
    .find((l) => l.startsWith(`${key}=`));
  return line?.slice(key.length + 1).replaceAll('"', '');
}

/** Major.minor of the installed libbpf development files as a number, 0 if there are none. */
export function libbpfVersion() {
  return Number.parseFloat(capture('pkg-config', ['--modversion', 'libbpf']) ?? '0') || 0;
}

/** The newest libbpf that apt could install, as major.minor. */
function aptLibbpf() {
  const candidate = /Candidate: (?:\d+:)?(\d+\.\d+)/.exec(capture('apt-cache', ['policy', 'libbpf-dev']) ?? '');
  return candidate ? Number.parseFloat(candidate[1]) : 0;
}

function manager() {
  return ['apt-get', 'dnf', 'apk'].find(exists);
}

function commandFor(tool, names) {
  const sudo = process.getuid() === 0 ? '' : 'sudo ';
  if (tool === 'dnf') return `${sudo}dnf install -y ${names}`;
  if (tool === 'apk') return `${sudo}apk add ${names}`;
  return `${sudo}apt-get update && ${sudo}apt-get install -y ${names}`;
}

function namesFor(missing, key) {
  return [
    ...new Set(
      missing
        .map((m) => m[key])
        .join(' ')
        .split(' '),
    ),
  ].join(' ');
}

/**
 * Makes sure that system packages are there. With apt and root it installs what is missing, having shown it, and asked on
 * a terminal; otherwise it prints the command for each package manager and stops. Returns whether libbpf has to be built
 * from its published crate because the distribution's is too old.
 */
export async function ensureSystem({ forTests = false, kernels = false } = {}) {
  if (process.platform !== 'linux') fail(`Retina's agent observes Linux kernels; this is ${process.platform}.`);
  const wanted = [...BUILD, ...(forTests ? TEST : []), ...(kernels ? KERNELS : [])];
  let missing = wanted.filter((w) => !w.found());
  let lackLibbpf = !LIBBPF.found();
  if (!missing.length && (!lackLibbpf || libbpfIsBuilt())) return { buildLibbpf: lackLibbpf };

  const tool = manager();
  if (tool !== 'apt-get' || process.getuid() !== 0) {
    const all = lackLibbpf ? [...missing, LIBBPF] : missing;
    const lines = { 'apt-get': 'apt', dnf: 'dnf', apk: 'apk' };
    fail(
      `Missing on this machine: ${all.map((m) => m.what).join(', ')}.`,
      `install them, then run this again:\n${Object.entries(lines).map(([t, key]) => `    ${key.padEnd(4)} ${commandFor(t, namesFor(all, key))}`).join('\n')}`,
    ); // prettier-ignore
  }
  step('Reading the package lists (apt-get update)');
  await run('apt-get', ['update', '-qq']);
  let buildLibbpf = false;
  if (lackLibbpf && libbpfIsBuilt()) buildLibbpf = true;
  else if (lackLibbpf && aptLibbpf() >= 1) missing = [...missing, LIBBPF];
  else if (lackLibbpf) {
    buildLibbpf = true;
    if (!exists('cargo'))
      missing = [...missing, { what: 'cargo (to fetch libbpf: the one here is too old)', apt: 'cargo' }];
  }
  if (missing.length) await aptInstall(missing);
  const still = missing.filter((m) => m.found && !m.found());
  if (still.length)
    fail(
      `Still missing after installing: ${still.map((m) => m.what).join(', ')}.`,
      'install them by hand, then run this again',
    );
  return { buildLibbpf };
}

async function aptInstall(missing) {
  const names = namesFor(missing, 'apt');
  step(`Missing: ${missing.map((m) => m.what).join(', ')}`);
  step(`To install: apt-get install -y --no-install-recommends ${names}`);
  if (!(await confirm('Install these packages now?'))) fail('Not installed.', `run: ${commandFor('apt-get', names)}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const args = ['install', '-y', '-qq', '--no-install-recommends', ...names.split(' ')];
  if ((await run('apt-get', args, { env })) !== 0)
    fail('apt-get could not install them.', `run: ${commandFor('apt-get', names)}`);
}
