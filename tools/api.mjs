#!/usr/bin/env node
// Writes api.md of each published package that others import: every exported declaration, without bodies and comments, so that
// a change of what others rely on shows in review. `--check` compares instead, and names what the SDK exports without a word on it.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { format, resolveConfig } from 'prettier';
import ts from 'typescript';
import { ROOT } from './lib/paths.mjs';

const NOTE = '<!-- Written by tools/api.mjs from the sources: change those, not this. -->\n\n';
/** Packages whose every export, and every method of it, is documented where it stands. */
const DOCUMENTED = new Set(['@retina/sdk']);
const check = process.argv.includes('--check');

const packages = ['bpf', ...readdirSync(join(ROOT, 'packages')).map((name) => join('packages', name))]
  .map((folder) => join(ROOT, folder))
  .filter((folder) => existsSync(join(folder, 'package.json')))
  .map((folder) => ({ folder, ...JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) }))
  .filter(({ private: own, exports }) => !own && exports);

const entries = packages.flatMap(({ name, folder, exports }) =>
  Object.entries(exports)
    .filter(([, target]) => target['@retina/source'])
    .map(([path, target]) => ({ name, path, file: join(folder, target['@retina/source']) })),
);

const { options } = ts.parseJsonConfigFileContent(
  ts.readConfigFile(join(ROOT, 'tsconfig.base.json'), ts.sys.readFile).config,
  ts.sys,
  ROOT,
);
const program = ts.createProgram(
  entries.map(({ file }) => file),
  { ...options, noEmit: false, declaration: true, emitDeclarationOnly: true, composite: false, typeRoots: [join(ROOT, 'node_modules/@types')] },
); // prettier-ignore
const checker = program.getTypeChecker();
const printer = ts.createPrinter({ removeComments: true });
const problems = [];

for (const { folder, name } of packages) {
  const parts = [];
  for (const entry of entries.filter((one) => one.name === name)) {
    const title = entry.path === '.' ? name : `${name}${entry.path.slice(1)}`;
    parts.push(`## \`${title}\`\n\n\`\`\`ts\n${exportsOf(entry).join('\n\n')}\n\`\`\`\n`);
  }
  const text = `${NOTE}# What ${name} exports\n\n${parts.join('\n')}`;
  const file = join(folder, 'api.md');
  const wanted = await format(text, { ...(await resolveConfig(file)), parser: 'markdown' });
  const where = relative(ROOT, file);
  if (!check) writeFileSync(file, wanted);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== wanted) {
    problems.push(`${where} is not what ${name} exports; run: node tools/api.mjs`);
  }
}
process.stdout.write(problems.map((problem) => `${problem}\n`).join(''));
process.exit(problems.length ? 1 : 0);

/** Every export of a module as its declaration, by name. */
function exportsOf({ name, file }) {
  const source = program.getSourceFile(file);
  const symbols = checker.getExportsOfModule(checker.getSymbolAtLocation(source));
  return symbols
    .map((symbol) => [symbol.name, symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol])
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([exported, symbol]) => {
      if (DOCUMENTED.has(name)) document(exported, symbol);
      return [...new Set(symbol.declarations.map((declaration) => printed(exported, declaration)))].join('\n');
    });
}

function printed(name, declaration) {
  const statement = ts.findAncestor(declaration, (node) => node.parent && ts.isSourceFile(node.parent)) ?? declaration;
  const source = statement.getSourceFile();
  const owner = packages.find(({ folder }) => source.fileName.startsWith(join(folder, '/')));
  if (!owner || ts.isSourceFile(statement)) return `export { ${name} };`;
  const emitted = declarationsOf(source);
  const own = declaration.name?.text ?? name;
  const found = emitted.statements.filter((one) => namesOf(one).includes(own));
  return found.map((one) => printer.printNode(ts.EmitHint.Unspecified, one, emitted)).join('\n');
}

function namesOf(statement) {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.map(({ name }) => name.text);
  return statement.name ? [statement.name.text] : [];
}

/** The declaration file of a source, kept: many exports lie in one. */
function declarationsOf(source) {
  declarationsOf.known ??= new Map();
  const { known } = declarationsOf;
  if (!known.has(source)) {
    let text = '';
    program.emit(source, (file, written) => file.endsWith('.d.ts') && (text = written), undefined, true);
    known.set(source, ts.createSourceFile(`${source.fileName}.d.ts`, text, ts.ScriptTarget.Latest, true));
  }
  return known.get(source);
}

/** An export needs a comment, and so does each of its methods: what it takes, in which unit, whose it is then, how it fails. */
function document(name, symbol) {
  const undocumented = (one) => ts.displayPartsToString(one.getDocumentationComment(checker)).trim() === '';
  if (undocumented(symbol)) problems.push(`${at(symbol)}: the export ${name} has no comment`);
  for (const member of [...(symbol.members?.values() ?? [])]) {
    const [declaration] = member.declarations ?? [];
    if (!declaration || !(ts.isMethodSignature(declaration) || ts.isMethodDeclaration(declaration))) continue;
    if (ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Private || member.name.startsWith('__')) continue;
    if (undocumented(member)) problems.push(`${at(member)}: ${name}.${member.name} has no comment`);
  }
}

function at(symbol) {
  const [declaration] = symbol.declarations;
  const source = declaration.getSourceFile();
  const { line } = source.getLineAndCharacterOfPosition(declaration.getStart());
  return `${relative(ROOT, source.fileName)}:${line + 1}`;
}
