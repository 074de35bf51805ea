/** The least of the Prometheus operator's definitions: the fields that the chart writes, and no others. */
export function monitorDefinitions(): readonly object[] {
  const text = { type: 'string' };
  const texts = { type: 'array', items: text };
  const of = (properties: object, ...required: readonly string[]) => ({ type: 'object', properties, ...(required.length && { required }) }); // prettier-ignore
  const labels = { type: 'object', additionalProperties: text };
  const relabeling = of({ action: { enum: ['keep', 'drop', 'replace', 'labeldrop', 'labelkeep', 'labelmap'], type: 'string' }, sourceLabels: texts, targetLabel: text, regex: text, replacement: text }); // prettier-ignore
  const duration = { type: 'string', pattern: '^([0-9]+(ms|[smhd]))+$' };
  const endpoint = of({
    port: text, path: text, honorLabels: { type: 'boolean' }, interval: duration, scrapeTimeout: duration,
    scheme: { type: 'string', enum: ['http', 'https', 'HTTP', 'HTTPS'] }, tlsConfig: of({ insecureSkipVerify: { type: 'boolean' } }),
    relabelings: { type: 'array', items: relabeling }, metricRelabelings: { type: 'array', items: relabeling },
  }); // prettier-ignore
  const monitor = (endpoints: string) =>
    of(
      {
        namespaceSelector: of({ any: { type: 'boolean' }, matchNames: texts }),
        selector: of({ matchLabels: labels }),
        [endpoints]: { type: 'array', items: endpoint },
      },
      'selector',
      endpoints,
    );
  const rule = of({ alert: text, expr: text, for: duration, labels, annotations: labels }, 'expr');
  const group = of({ name: text, interval: duration, rules: { type: 'array', items: rule } }, 'name');
  return [
    definition('PodMonitor', monitor('podMetricsEndpoints')),
    definition('ServiceMonitor', monitor('endpoints')),
    definition('PrometheusRule', of({ groups: { type: 'array', items: group } })),
  ];
}

/** Names of those definitions. */
export const MONITORS = ['podmonitors', 'servicemonitors', 'prometheusrules'].map((name) => `${name}.monitoring.coreos.com`); // prettier-ignore

function definition(kind: string, spec: object): object {
  const singular = kind.toLowerCase();
  const plural = `${singular}s`;
  const group = 'monitoring.coreos.com';
  const openAPIV3Schema = { type: 'object', properties: { spec }, required: ['spec'] };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, annotations: { 'api-approved.kubernetes.io': 'unapproved, for a test' } },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural, singular, listKind: `${kind}List` },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema } }],
    },
  };
}
