#!/usr/bin/env node
// npm run images -- --output DIR: the agent's and the operator's images as OCI archives, without a container daemon. Takes
// packages as they are built; run.mjs builds them first.
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { baseTree } from './images/base.mjs';
import { IMAGES, MODULES, SHARED } from './images/definitions.mjs';
import { archive, layer } from './images/oci.mjs';
import { addPackages, addPacked } from './images/packages.mjs';
import { cacheDir, ROOT } from './lib/paths.mjs';
import { capture } from './lib/run.mjs';
import { fail, step } from './lib/say.mjs';

const USAGE = `usage: npm run images -- --output DIR [--tag TAG] [--repository PREFIX] [--rootfs]
  --output DIR         where archives go: DIR/retina-agent.tar and DIR/retina-operator.tar
  --tag TAG            default: dev
  --repository PREFIX  default: localhost
  --rootfs             write each image's files to DIR/NAME too, for images/NAME/Dockerfile
  --only NAME          one of the two
  --with FILE.tgz      also a package of yours, as npm pack makes it; with its own layer; may be repeated
`;
const ARCHITECTURE = { x64: 'amd64', arm64: 'arm64' }[process.arch];
const LOADER = 'packages/loader/build/Release/retina_loader.node';
/** What is promised of the agent's image. */
const LIMIT = { compressed: 70e6, unpacked: 200e6 };

const { values } = parse();
if (!ARCHITECTURE) fail(`Images are built for amd64 and arm64; this is ${process.arch}.`);
const output = resolve(values.output);
mkdirSync(output, { recursive: true });
const seconds = Number(
  process.env.SOURCE_DATE_EPOCH ?? capture('git', ['log', '-1', '--format=%ct'], { cwd: ROOT }) ?? 0,
);
const report = {};
for (const [name, image] of Object.entries(IMAGES)) {
  if (values.only && name !== values.only) continue;
  const roots = image.roots.flatMap((root) => (root.includes('/') ? [root] : all(root)));
  const missing = roots.find((root) => !existsSync(join(ROOT, root, 'dist')));
  if (missing) fail(`${name}: ${missing} is not built.`, 'npm run images builds what it needs');
  report[name] = build(name, { ...image, roots });
}
writeFileSync(join(output, 'images.json'), `${JSON.stringify(report, null, 2)}\n`);

function build(name, { title, roots, native, commands, config }) {
  const addon = join(ROOT, LOADER);
  const base = baseTree(native ? [addon] : []);
  const app = new Map();
  const packages = addPackages(
    app,
    MODULES,
    roots.map((root) => join(ROOT, root)),
  );
  const plain = (data, mode = 0o644) => ({ data: Buffer.from(data), mode });
  if (native) {
    const path = `${MODULES}/@retina/loader/prebuilds/${process.platform}-${process.arch}/retina_loader.node`;
    app.set(path, { data: readFileSync(addon), mode: 0o755 });
  }
  app.set('retina/package.json', plain('{"private":true,"type":"module"}\n'));
  app.set('retina/packages.json', plain(`${JSON.stringify(Object.fromEntries([...packages].sort()), null, 2)}\n`));
  for (const [command, main] of Object.entries(commands)) {
    app.set(`usr/local/bin/${command}`, plain(`#!/usr/local/bin/node\nimport '/${MODULES}/${main}';\n`, 0o755));
  }
  const cache = join(cacheDir(), 'images');
  // The base does not change with the commit, so neither may its time.
  const layers = [
    { ...layer(base, 0, cache), comment: 'Node, C libraries, certificates' },
    { ...layer(app, seconds, cache), comment: 'JavaScript, native loader, BPF objects' },
  ];
  const trees = [base, app];
  if (native && values.with.length > 0) {
    const own = new Map();
    for (const file of values.with) addPacked(own, MODULES, resolve(file));
    layers.push({ ...layer(own, seconds, cache), comment: 'packages of one’s own' });
    trees.push(own);
  }
  const { bytes, ...facts } = archive({
    names: [`${values.repository}/${name}:${values.tag}`],
    layers,
    architecture: ARCHITECTURE,
    seconds,
    config: { ...config, ...SHARED },
    labels: {
      'org.opencontainers.image.title': title,
      'org.opencontainers.image.licenses': 'MIT',
      'org.opencontainers.image.version': values.tag,
    },
  });
  for (const key of Object.keys(LIMIT)) {
    if (facts[key] > LIMIT[key]) fail(`${name} is too large: ${mega(facts[key])} ${key}, at most ${mega(LIMIT[key])}.`, 'see retina/packages.json in it for what it holds'); // prettier-ignore
  }
  writeFileSync(join(output, `${name}.tar`), bytes);
  if (values.rootfs) for (const tree of trees) unpack(tree, join(output, name));
  process.stdout.write(
    `${name}:${values.tag} ${facts.digest} ${mega(facts.compressed)} compressed, ${mega(facts.unpacked)} unpacked, ${packages.size} packages\n`,
  );
  return { reference: `${values.repository}/${name}:${values.tag}`, ...facts, content: contentOf(trees) };
}

function unpack(tree, folder) {
  for (const [path, { data, mode }] of tree) {
    const target = join(folder, path);
    mkdirSync(data ? dirname(target) : target, { recursive: true });
    if (data) writeFileSync(target, data);
    chmodSync(target, mode);
  }
}

/** A name for what is in an image, whatever its time and tag. */
function contentOf(trees) {
  const hash = createHash('sha256');
  for (const tree of trees) {
    for (const path of [...tree.keys()].sort()) hash.update(`${path}\0`).update(tree.get(path).data ?? '');
  }
  return hash.digest('hex').slice(0, 16);
}

function all(kind) {
  const folders = readdirSync(join(ROOT, kind)).map((name) => join(kind, name));
  return folders.filter((folder) => {
    if (!existsSync(join(ROOT, folder, 'package.json'))) return false;
    if (existsSync(join(ROOT, folder, 'dist', 'retina.json'))) return true;
    step(`left out: ${folder} (not built)`);
    return false;
  });
}

function mega(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function parse() {
  const options = {
    output: { type: 'string' },
    tag: { type: 'string', default: 'dev' },
    repository: { type: 'string', default: 'localhost' },
    rootfs: { type: 'boolean', default: false },
    only: { type: 'string' },
    with: { type: 'string', multiple: true, default: [] },
  };
  try {
    const parsed = parseArgs({ options });
    if (parsed.values.output) return parsed;
    process.stderr.write(USAGE);
  } catch (error) {
    process.stderr.write(`${error.message}\n${USAGE}`);
  }
  process.exit(2);
}
