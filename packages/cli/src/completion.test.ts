import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { completionScript } from './completion.ts';
import { buildProgram } from './program.ts';

/** What bash itself offers after `line`, the cursor at its end. */
function bash(line: string): string[] {
  const script = `${completionScript(buildProgram(), 'bash')}
COMP_WORDS=(${line}); [[ '${line}' == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _retina; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).split('\n').filter(Boolean);
}

describe('completion', () => {
  it('completes commands, options and their choices in bash', () => {
    expect(bash('retina d')).toEqual(['doctor']);
    expect(bash('retina config ')).toEqual(expect.arrayContaining(['check', 'view']));
    expect(bash('retina top ')).toEqual(expect.arrayContaining(['talkers', 'drops', 'connections', '--output']));
    expect(bash('retina flows --pod demo/client --verdict ')).toEqual(['forwarded', 'dropped']);
    expect(bash('retina status -o j')).toEqual(['json']);
    expect(bash('retina completion z')).toEqual(['zsh']);
  });

  it.each(['zsh', 'fish'] as const)('knows every command in %s', (shell) => {
    const script = completionScript(buildProgram(), shell);
    for (const word of ['doctor', 'top', 'flows', 'drop-reason', 'forwarded dropped', 'config check']) {
      expect(script.replaceAll("' '", ' ')).toContain(word);
    }
  });
});
