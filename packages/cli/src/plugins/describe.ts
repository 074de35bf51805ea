import type { Manifest } from '@retina/sdk';
import { METRIC_PREFIX } from '@retina/sdk';

/** What it asks of the node, in words; "nothing" where it asks for nothing. */
export function needsText({ needs }: Manifest): string {
  const parts = needs.capabilities.map((one) => `CAP_${one}`);
  if (needs.kernel) parts.push(`kernel ${needs.kernel}`);
  if (needs.btf) parts.push('BTF');
  if (needs.mounts?.length) parts.push(`mounts ${needs.mounts.join(' ')}`);
  if (needs.hostPid) parts.push("the host's processes");
  return parts.join(', ') || 'nothing';
}

/** Everything whoever consents must know. Text of others is shown as text: no control characters reach the terminal. */
export function descriptionOf(manifest: Manifest): string {
  const { kind, name, stability, api, description, metrics, config } = manifest;
  const options = Object.keys(config['properties'] ?? {});
  const lines = [
    `${manifest.package} ${manifest.version}: ${kind} ${name} (${stability}, api ${api})`,
    `  ${description}`,
    `needs    ${needsText(manifest)}`,
    ...(kind === 'plugin' ? [`metrics  ${Object.keys(metrics).map((key) => METRIC_PREFIX + key).join(', ') || 'none'}`] : []),
    `options  ${options.join(', ') || 'none'}`,
    "rights   it runs inside the agent, with all of the agent's rights",
  ]; // prettier-ignore
  return lines.map(plain).join('\n');
}

export function plain(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}
