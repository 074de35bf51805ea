import { beforeAll, describe, expect, it } from 'vitest';
import { AGENT_IMAGE, agents, CHART, helm, IMAGE, kubectl, NAMESPACE, nodes, uninstall } from '../src/cluster.ts';
import { scrape, select } from '../src/metrics.ts';
import { eventually } from '../src/run.ts';

/** Bits of capabilities: NET_ADMIN 12, PERFMON 38, BPF 39. */
const GRANTED = ((1n << 12n) | (1n << 38n) | (1n << 39n)).toString(16).padStart(16, '0');

/** Evaluates an expression in the agent's container. */
async function inAgent(node: string, expression: string): Promise<string> {
  const { name } = (await agents()).get(node)!;
  const script = `process.stdout.write(String(${expression}))`;
  return kubectl('-n', NAMESPACE, 'exec', name, '--', '/usr/local/bin/node', '-e', script);
}

describe('helm install with selected plugins', () => {
  let seconds = 0;
  beforeAll(async () => {
    await uninstall();
    const began = Date.now();
    await helm([
      'install', 'retina', CHART, '-n', NAMESPACE, '--create-namespace',
      '--set', `image.repository=${AGENT_IMAGE.slice(0, AGENT_IMAGE.lastIndexOf(':'))},image.tag=${IMAGE.tag}`,
      '--set', 'enabledPlugin_linux=[dropreason\\,packetforward\\,linuxutil\\,dns]',
    ]); // prettier-ignore
    await eventually(async () => {
      for (const node of await nodes()) {
        const samples = await scrape(node);
        if (select(samples, 'forward_count').length === 0) throw new Error(`${node} has no metrics yet`);
      }
    }, 60_000);
    seconds = (Date.now() - began) / 1000;
  });

  it('gives an agent with metrics on every node within a minute', async () => {
    expect([...(await agents()).keys()].sort()).toEqual(await nodes());
    expect(seconds).toBeLessThan(60);
  });

  it('runs the selected plugins and no other', async () => {
    for (const node of await nodes()) {
      const running = select(await scrape(node), 'retina_plugin_state', { state: 'running' }).filter(({ value }) => value === 1); // prettier-ignore
      expect(running.map(({ labels }) => labels['plugin']).sort()).toEqual(['dns', 'dropreason', 'linuxutil', 'packetforward']); // prettier-ignore
    }
  });

  it('runs with exactly the capabilities of those plugins, seccomp, no new rights, and a root it cannot write', async () => {
    const [node] = await nodes();
    const status = await inAgent(node!, "require('fs').readFileSync('/proc/1/status', 'utf8')");
    const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1];
    expect([field('CapEff'), field('CapPrm'), field('CapBnd')]).toEqual([GRANTED, GRANTED, GRANTED]);
    expect([field('Seccomp'), field('NoNewPrivs')]).toEqual(['2', '1']);
    const write =
      "(() => { try { require('fs').writeFileSync('/x', ''); return 'wrote' } catch (e) { return e.code } })()";
    expect(await inAgent(node!, write)).toBe('EROFS');
    // Neither a shell nor the node's processes.
    expect(await inAgent(node!, "require('fs').existsSync('/bin/sh')")).toBe('false');
    expect(await inAgent(node!, "require('fs').readFileSync('/proc/1/comm', 'utf8').trim()")).toMatch(
      /node|MainThread/,
    );
  });

  it('is ready as Kubernetes sees it, and passes helm test', async () => {
    await kubectl('-n', NAMESPACE, 'rollout', 'status', 'daemonset/retina-agent', '--timeout=60s');
    expect(await helm(['test', 'retina', '-n', NAMESPACE, '--timeout', '60s'])).toContain('Phase:          Succeeded');
  });

  it('answers the command line in the container', async () => {
    const status = await kubectl('-n', NAMESPACE, 'exec', 'daemonset/retina-agent', '--', 'retina', 'status');
    expect(status).toMatch(/^State: +ready$/m);
  });

  it('leaves no agent without metrics: the counts of the nodes differ and grow', async () => {
    const packets = async () =>
      Promise.all((await nodes()).map(async (node) => select(await scrape(node), 'forward_count', { direction: 'ingress' })[0]!.value)); // prettier-ignore
    const before = await packets();
    await eventually(async () => {
      const after = await packets();
      expect(after.every((count, i) => count > before[i]!)).toBe(true);
    });
  });
});
