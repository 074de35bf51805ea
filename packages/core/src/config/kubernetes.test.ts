import { expect, test } from 'vitest';
import { parseConfig } from './load.ts';

const parse = (text: string, environment = {}) => parseConfig({ text: `plugins: {x: {}}\n${text}`, environment });
const cluster = (text: string) => `kubernetes: {kubeconfig: /etc/kubeconfig}\nenablePodLevel: true\n${text}`;

test('without a cluster nothing asks for one, and what would need it says so', () => {
  const { config, warnings } = parse(`enablePodLevel: true
enableAnnotations: true
kubernetes: {podSelector: {matchLabels: {app: web}}}
`);
  expect(config.kubernetes).toMatchObject({ enabled: false, source: 'pods', annotations: true });
  expect(warnings.map(({ path, message }) => [path, message.includes('without a cluster')])).toEqual([
    ['enableAnnotations', true],
    ['kubernetes.podSelector', true],
  ]);
});

test('the original’s keys choose the source, annotations and bypass', () => {
  const { config, warnings, problems } = parse(
    cluster('remoteContext: true\nenableRetinaEndpoint: true\nenableAnnotations: true\nbypassLookupIPOfInterest: false'),
  );
  expect([problems, warnings]).toEqual([[], []]);
  expect(config.kubernetes).toEqual({
    enabled: true, kubeconfig: '/etc/kubeconfig', context: undefined, source: 'endpoints', annotations: true, bypass: false,
    podSelector: undefined, namespaceSelector: undefined,
  });
  expect(parse(cluster('enableRetinaEndpoint: false')).config.kubernetes.source).toBe('pods');
  expect(parse(cluster(''), { RETINA_ENABLEANNOTATIONS: 'true', RETINA_KUBERNETES_ENABLED: 'false' }).config.kubernetes)
    .toMatchObject({ enabled: false, annotations: true });
}); // prettier-ignore

test('what contradicts itself is said', () => {
  const paths = (text: string) => parse(text).warnings.map(({ path }) => path);
  expect(paths(cluster('bypassLookupIPOfInterest: true'))).toEqual([]);
  expect(paths(cluster('bypassLookupIPOfInterest: true\nenableAnnotations: true'))).toEqual(['bypassLookupIPOfInterest']);
  expect(paths('kubernetes: {enabled: true, source: endpoints}\nenableAnnotations: true')).toEqual([
    'enableAnnotations',
    'kubernetes.source',
  ]);
}); // prettier-ignore

test('a selector is Kubernetes’ own', () => {
  const selector = (expression: string) =>
    parse(`kubernetes: {namespaceSelector: {matchExpressions: [${expression}]}}`).problems.map(({ path }) => path);
  expect(selector('{key: a, operator: In, values: [b]}')).toEqual([]);
  expect(selector('{key: a, operator: Exists}')).toEqual([]);
  expect(selector('{key: a, operator: Exists, values: [b]}')).toEqual([
    'kubernetes.namespaceSelector.matchExpressions[0]',
  ]);
  expect(selector('{key: a, operator: in, values: [b]}')).toEqual(['kubernetes.namespaceSelector.matchExpressions[0].operator']); // prettier-ignore
});
