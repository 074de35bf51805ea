// The reference page of the custom resources, from their definitions.
import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';

const CRDS = new URL('../crds/', import.meta.url);

export default function pages() {
  const crds = readdirSync(CRDS).map((name) => parse(readFileSync(new URL(name, CRDS), 'utf8')));
  const intro =
    '# Custom resources\n\nGroup `retina.sh`, version `v1alpha1`. All of them: `kubectl get retina -A`. What a rule refuses, the API server refuses with the sentence given here.\n';
  return { 'custom-resources.md': [intro, ...crds.map(definition)].join('\n') };
}

function definition({ spec }) {
  const { names, scope, versions } = spec;
  const { openAPIV3Schema: schema } = versions[0].schema;
  const short = names.shortNames.map((name) => `\`${name}\``).join(', ');
  const rows = [...fields(schema.properties.spec, 'spec'), ...fields(schema.properties.status, 'status')];
  const rules = [...validations(schema.properties.spec, 'spec')];
  return `## ${names.kind}

${schema.description} ${scope === 'Cluster' ? 'Without a namespace' : 'In a namespace'}; short names: ${short}.

${table(['field', 'type', 'default', 'meaning'], rows)}${rules.length ? `\nRefused, with:\n\n${table(['field', 'message'], rules)}` : ''}`;
}

function* fields(node, path) {
  for (const [key, value] of Object.entries(node.properties ?? {})) {
    const at = `${path}.${key}`;
    const required = node.required?.includes(key) ? '**required** ' : '';
    const fallback = value.default === undefined ? '' : `\`${JSON.stringify(value.default)}\``;
    yield [`\`${at}\``, required + typeName(value), fallback, value.description];
    if (isSelector(value)) continue; // as everywhere in Kubernetes
    yield* fields(value.type === 'array' ? value.items : value, value.type === 'array' ? `${at}[]` : at);
  }
}

function* validations(node, path) {
  for (const { message } of node['x-kubernetes-validations'] ?? []) yield [`\`${path}\``, message];
  for (const [key, value] of Object.entries(node.properties ?? {})) yield* validations(value, `${path}.${key}`);
  if (node.items) yield* validations(node.items, `${path}[]`);
}

function isSelector(node) {
  return Boolean(node.properties?.matchLabels);
}

function typeName(node) {
  if (node.enum) return node.enum.map((value) => `\`${JSON.stringify(value)}\``).join(' ');
  if (isSelector(node)) return 'label selector';
  if (node.type === 'array') return `list of ${typeName(node.items)}`;
  if (node.additionalProperties) return `map to ${typeName(node.additionalProperties)}`;
  return node.format === 'date-time' ? 'time' : node.type;
}

function table(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => String(cell ?? '').replaceAll('|', '\\|')).join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}
