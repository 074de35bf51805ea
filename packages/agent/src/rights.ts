import { readFileSync } from 'node:fs';
import type { DoctorReport } from '@retina/core';

const BITS = { NET_ADMIN: 12, SYS_ADMIN: 21, PERFMON: 38, BPF: 39 } as const;

/** Whether this process may do all that tapping needs; a quick look, without asking anybody. */
export function hasRights(): boolean {
  try {
    const hex = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
    const has = (bit: number) => ((BigInt(`0x${hex}`) >> BigInt(bit)) & 1n) === 1n;
    return has(BITS.NET_ADMIN) && (has(BITS.SYS_ADMIN) || (has(BITS.BPF) && has(BITS.PERFMON)));
  } catch {
    return true; // nothing to go by: the kernel will say
  }
}

/** For a person: which rights are missing, how to grant them, and what works without. */
export function missingRights(report: DoctorReport, command: string): string {
  const missing = report.missingCapabilities;
  const plugins = report.components.filter((c) => c.kind === 'plugin');
  const lines = [
    `Retina may not watch this host's network: ${missing.length ? 'capabilities are' : 'something is'} missing.`,
    '',
    ...plugins.map(({ name, runs, needs, findings }) => {
      const lacks = needs.capabilities.filter((capability) => missing.includes(capability)).map(long);
      const why = lacks.length ? `needs ${lacks.join(', ')}` : findings.map((f) => f.summary).join('; ');
      return `  ${name.padEnd(16)} ${runs ? 'would run' : `does not run: ${why}`}`;
    }),
  ];
  if (missing.length) {
    const file = `${missing.map((c) => long(c).toLowerCase()).join(',')}+ep`;
    lines.push(
      '',
      'Grant them in one of these ways:',
      `  sudo ${command}`,
      `  sudo setcap ${file} ${process.execPath}    (for everything this Node.js runs)`,
      `  systemd: AmbientCapabilities=${missing.map(long).join(' ')}`,
      `  Kubernetes: securityContext: {capabilities: {add: [${missing.join(', ')}]}}`,
    );
  }
  const others = plugins
    .filter((p) => !p.runs)
    .flatMap((p) => p.findings)
    .filter((f) => f.code !== 'RETINA_CAPABILITY_MISSING');
  for (const { summary, next } of unique(others)) lines.push('', `${summary}${next ? `: ${next}` : ''}`);
  lines.push(
    '',
    'Without them these work: retina doctor, retina config check, retina completion, retina version;',
    'and retina top, flows and status, where an agent runs already and its socket may be opened.',
  );
  return lines.join('\n') + '\n';
}

function long(capability: string): string {
  return `CAP_${capability}`;
}

function unique<T extends { readonly summary: string }>(all: readonly T[]): T[] {
  return [...new Map(all.map((one) => [one.summary, one])).values()];
}
