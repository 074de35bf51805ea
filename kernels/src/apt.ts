import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { run } from '@retina/testkit/kernels';
import { type Kernel, Unavailable } from './kernels.ts';

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const META = 'linux-image-cloud-amd64';

/** Packages that make up one build of a kernel. */
export interface Build {
  /** Version of the packages: changes with every rebuild. */
  readonly version: string;
  readonly packages: readonly string[];
}

interface Archives {
  readonly main: string;
  readonly security: string | undefined;
}

/** Debian's archives, from the mirrors this machine already uses; `RETINA_DEBIAN_MIRROR` names another. */
async function archives(): Promise<Archives> {
  const given = process.env['RETINA_DEBIAN_MIRROR'];
  if (given) return { main: given, security: undefined };
  const debian = existsSync('/etc/os-release') && /^ID=debian$/m.test(readFileSync('/etc/os-release', 'utf8'));
  if (!debian) throw new Unavailable('this is no Debian, so no mirror is known; RETINA_DEBIAN_MIRROR may name one');
  const { stdout } = await run('apt-get', [
    'indextargets',
    '--format',
    '$(RELEASE) $(REPO_URI)',
    'Created-By: Packages',
  ]);
  const found = stdout.split('\n').map((line) => line.split(' '));
  const uri = (wanted: RegExp) => found.find(([release = '']) => wanted.test(release))?.[1];
  const main = uri(/^[a-z]+(-updates)?$/);
  if (!main) throw new Unavailable('apt names no archive of Debian’s; RETINA_DEBIAN_MIRROR may name one');
  return { main, security: uri(/-security$/) };
}

/** apt with lists, state and downloads of its own: the machine's are neither read nor changed. Needs no rights. */
export class Apt {
  private readonly folder: string;
  private readonly kernel: Kernel;

  constructor(folder: string, kernel: Kernel) {
    this.folder = join(folder, kernel.suite);
    this.kernel = kernel;
  }

  /** Reads the suite's lists, their signatures checked, and finds the newest build of its cloud kernel. */
  async resolve(): Promise<Build> {
    await this.configure();
    try {
      await this.apt('apt-get', ['update', '-o', 'APT::Update::Error-Mode=any']);
    } catch (error) {
      const { message } = error as Error;
      const why = /E: .*/.exec(message)?.[0] ?? message;
      throw new Unavailable(`the suite ${this.kernel.suite} cannot be read: ${why}`, { cause: error });
    }
    const version = await this.field(META, 'Version');
    const image = /linux-image-\d[^ ,]*/.exec(await this.field(META, 'Depends'))?.[0];
    if (!image) throw new Error(`${META} ${version} of ${this.kernel.suite} names no image among its dependencies`);
    // newer ones come in parts
    const parts = (await this.field(image, 'Depends')).matchAll(/linux-(?:binary|modules)-\d[^ ,]*/g);
    return { version, packages: [image, ...[...parts].map(([name]) => name)] };
  }

  /** Downloads packages into a folder; apt compares them with the signed lists. */
  async download(build: Build, into: string): Promise<void> {
    mkdirSync(into, { recursive: true });
    await this.apt('apt-get', ['download', ...build.packages.map((name) => `${name}=${build.version}`)], into);
  }

  private async field(name: string, field: string): Promise<string> {
    const { stdout } = await this.apt('apt-cache', ['show', '--no-all-versions', name]);
    return new RegExp(`^${field}: (.*)$`, 'm').exec(stdout)?.[1] ?? '';
  }

  private async configure(): Promise<void> {
    const { main, security } = await archives();
    for (const name of ['lists/partial', 'archives/partial']) mkdirSync(join(this.folder, name), { recursive: true });
    const source = (uri: string, suite: string) =>
      `Types: deb\nURIs: ${uri}\nSuites: ${suite}\nComponents: main\nArchitectures: amd64\nTargets: Packages\nSigned-By: ${KEYRING}\n`;
    const { suite } = this.kernel;
    const sources = [source(main, suite)];
    if (this.kernel.security && security) sources.push(source(security, `${suite}-security`));
    writeFileSync(join(this.folder, 'debian.sources'), sources.join('\n'));
    writeFileSync(join(this.folder, 'status'), '');
  }

  private apt(command: string, args: readonly string[], cwd = this.folder) {
    const settings = {
      'Dir::Etc::sourcelist': join(this.folder, 'debian.sources'),
      'Dir::Etc::sourceparts': '/dev/null',
      'Dir::Etc::preferences': '/dev/null',
      'Dir::Etc::preferencesparts': '/dev/null',
      'Dir::State': this.folder,
      'Dir::State::status': join(this.folder, 'status'),
      'Dir::Cache': this.folder,
      'Acquire::Languages': 'none',
      // the lists of an old suite are no longer signed anew; signed they are
      'Acquire::Check-Valid-Until': 'false',
      'APT::Architecture': 'amd64',
      'APT::Architectures': 'amd64',
      // else it changes to a user that may not write here
      'APT::Sandbox::User': userInfo().username,
      // what the machine does after an update of its own lists
      'APT::Update::Post-Invoke-Success': '',
    };
    const options = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
    return run(command, [...options, ...args], { cwd, timeoutMs: 300_000 });
  }
}
