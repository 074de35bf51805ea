import type { Command } from 'commander';

export type Shell = 'bash' | 'zsh' | 'fish';
export const SHELLS: readonly Shell[] = ['bash', 'zsh', 'fish'];

interface Word {
  readonly text: string;
  readonly help: string;
}
interface Choice {
  /** The option's flags, or undefined for the command's argument. */
  readonly flags: readonly string[] | undefined;
  readonly values: readonly string[];
}
/** What may follow at one command: `path` is empty for the program itself. */
interface Node {
  readonly path: string;
  readonly words: readonly Word[];
  readonly choices: readonly Choice[];
}

/** A completion script for `program`, made from its commands, options and their choices. */
export function completionScript(program: Command, shell: Shell): string {
  const nodes = walk(program, '');
  const name = program.name();
  switch (shell) {
    case 'bash':
      return bash(name, nodes);
    case 'zsh':
      return zsh(name, nodes);
    case 'fish':
      return fish(name, nodes);
  }
}

function walk(command: Command, path: string): Node[] {
  const words: Word[] = [];
  const choices: Choice[] = [];
  for (const sub of command.commands) words.push({ text: sub.name(), help: sub.description() });
  for (const option of command.options) {
    if (option.hidden) continue;
    const flags = [option.short, option.long].filter((f) => f !== undefined && f !== null);
    for (const flag of flags) words.push({ text: flag, help: option.description });
    if (option.argChoices) choices.push({ flags, values: option.argChoices });
  }
  words.push({ text: '--help', help: 'display help for command' });
  for (const argument of command.registeredArguments) {
    if (argument.argChoices) choices.push({ flags: undefined, values: argument.argChoices });
  }
  const below = command.commands.flatMap((sub) => walk(sub, path ? `${path} ${sub.name()}` : sub.name()));
  return [{ path, words, choices }, ...below];
}

const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** Words of the command line up to the cursor that name commands, joined by spaces. Shared by bash and zsh. */
function findPath(nodes: readonly Node[], from: string, to: string, words: string): string {
  const known = nodes.filter((n) => n.path).map((n) => quote(n.path));
  return `  local path='' i try
  for ((i = ${from}; i < ${to}; i++)); do
    try="\${path:+$path }\${${words}[i]}"
    case "$try" in ${known.join('|')}) path="$try" ;; esac
  done
`;
}

function bash(name: string, nodes: readonly Node[]): string {
  const arms = nodes.map((node) => {
    const values = node.choices
      .filter((c) => c.flags)
      .map((c) => `        ${c.flags!.join('|')}) words=${quote(c.values.join(' '))} ;;`);
    const own = [...node.words.map((w) => w.text), ...node.choices.filter((c) => !c.flags).flatMap((c) => c.values)];
    return `    ${quote(node.path)})
      case "$previous" in
${[...values, `        *) words=${quote(own.join(' '))} ;;`].join('\n')}
      esac ;;`;
  });
  return `# bash completion for ${name}: source <(${name} completion bash)
_${name}() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=''
${findPath(nodes, '1', 'COMP_CWORD', 'COMP_WORDS')}  case "$path" in
${arms.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _${name} ${name}
`;
}

function zsh(name: string, nodes: readonly Node[]): string {
  const described = (w: Word) => quote(`${w.text.replaceAll(':', '\\:')}:${w.help}`);
  const arms = nodes.map((node) => {
    const values = node.choices
      .filter((c) => c.flags)
      .map((c) => `        ${c.flags!.join('|')}) compadd -- ${c.values.map(quote).join(' ')}; return ;;`);
    const rest = node.choices.filter((c) => !c.flags).flatMap((c) => c.values);
    return `    ${quote(node.path)})
      case "$previous" in
${[...values, '        *) ;;'].join('\n')}
      esac
      options=(${[...node.words.map(described), ...rest.map(quote)].join(' ')}) ;;`;
  });
  return `#compdef ${name}
# zsh completion for ${name}: ${name} completion zsh > "\${fpath[1]}/_${name}"
_${name}() {
  local previous="\${words[CURRENT-1]}"
  local -a options
${findPath(nodes, '2', 'CURRENT', 'words')}  case "$path" in
${arms.join('\n')}
  esac
  _describe '${name}' options || _files
}
if [ "\${funcstack[1]}" = "_${name}" ]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
}

function fish(name: string, nodes: readonly Node[]): string {
  const lines = nodes.flatMap((node) => {
    const when = `-n ${quote(`__${name}_at ${node.path}`.trim())}`;
    const head = `complete -c ${name} ${when}`;
    const flagged = (flag: string) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`);
    return [
      ...node.words.map((w) =>
        w.text.startsWith('-')
          ? `${head} ${flagged(w.text)} -d ${quote(w.help)}`
          : `${head} -f -a ${quote(w.text)} -d ${quote(w.help)}`,
      ),
      ...node.choices.map((c) => {
        const values = `-a ${quote(c.values.join(' '))}`;
        return c.flags ? `${head} -x ${c.flags.map(flagged).join(' ')} ${values}` : `${head} -f ${values}`;
      }),
    ];
  });
  const known = nodes.filter((n) => n.path).map((n) => quote(n.path));
  return `# fish completion for ${name}: ${name} completion fish > ~/.config/fish/completions/${name}.fish
function __${name}_at
  set -l path
  for word in (commandline -opc)[2..]
    set -l try (string join ' ' $path $word)
    contains -- $try ${known.join(' ')}; and set path $try
  end
  test "$path" = "$argv"
end
${lines.join('\n')}
`;
}
