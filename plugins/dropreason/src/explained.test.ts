import { existsSync, readFileSync } from 'node:fs';
import { readRecording } from '@retina/testkit';
import { describe, expect, it } from 'vitest';
import pages, { readReasons } from '../docs/reference.mjs';
import { NO_LOSS } from './loss.ts';
import { labelOf, Reasons } from './reasons.ts';

const BTF = '/sys/kernel/btf/vmlinux';
const reasons = readReasons().flatMap((section) => section.reasons);
const names = new Set(reasons.map(({ name }) => name));
const explained = (name: string) =>
  names.has(name) || [...names].some((one) => one.endsWith('*') && name.startsWith(one.slice(0, -1)));

/** Names of reasons in a kernel's type information, whatever enum they are of. */
function namesIn(btf: Buffer): string[] {
  const text = btf.toString('latin1');
  const core = [...text.matchAll(/\0SKB_DROP_REASON_([A-Z0-9_]+)(?=\0)/g)].map(([, name]) => name!);
  const subsystems = [...text.matchAll(/\0((?:QDISC|OVS)_DROP_[A-Z0-9_]+)(?=\0)/g)].map(([, name]) => name!);
  return [...core, ...subsystems].filter((name) => !/^SUBSYS_|(^|_)MAX$/.test(name));
}

describe('the page of reasons', () => {
  it.runIf(existsSync(BTF) || process.env['CI'] === 'true')('has every reason of the running kernel', () => {
    expect(namesIn(readFileSync(BTF)).filter((name) => !explained(name))).toEqual([]);
  });

  it('has every reason of the recorded kernel', () => {
    const { kernel } = readRecording(new URL('../fixtures/dropreason.bin', import.meta.url));
    const known = new Reasons({ tracepointArguments: () => 4, enumNames: (name) => new Map(kernel.enums[name] ?? []) });
    const core = [...known.core()].map(([, name]) => name).filter((name) => name !== 'MAX');
    expect(core.length).toBeGreaterThan(100);
    expect(core.filter((name) => !explained(name))).toEqual([]);
  });

  it('says the same of losses and labels as the code', () => {
    const harmless = reasons.filter(({ loss }) => !loss).map(({ name }) => name); // prettier-ignore
    expect(harmless.sort()).toEqual(Object.keys(NO_LOSS).sort());
    for (const { name, label } of reasons) expect(label).toBe(labelOf(name));
  });

  it('has something to say in every cell, once for each reason', () => {
    expect(reasons.length).toBe(names.size);
    for (const { meaning, cause, cure } of reasons) {
      for (const text of [meaning, cause, cure]) expect(text).toMatch(/^.{2,}\.$/);
    }
    expect(pages()['drop-reasons.md']).toContain('| `IPTABLE_RULE_DROP` (`NETFILTER_DROP`) |');
  });
});
