import { z } from 'zod';
import { conditions } from './condition.ts';
import { ruled } from './rules.ts';

const CONTEXT_LABELS = ['ip', 'namespace', 'podname', 'workload', 'service', 'port', 'zone'];
const TTL = '^([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))*$';

const set = (schema: z.ZodString) => z.array(schema).meta({ 'x-kubernetes-list-type': 'set' });

const contextLabels = ruled(set(z.string().max(63)).max(32), {
  cel: `self.all(label, label.lowerAscii() in ${JSON.stringify(CONTEXT_LABELS).replaceAll('"', "'")})`,
  check: (labels) => labels.every((label) => CONTEXT_LABELS.includes(label.toLowerCase())),
  message: `write any of ${CONTEXT_LABELS.join(', ')}`,
});

const contextOption = z.object({
  metricName: z.string().min(1).max(253).describe('Pod-level family, such as forward_count or drop_bytes.'),
  sourceLabels: contextLabels.optional().describe('Labels of the source; in local context of the endpoint itself.'),
  destinationLabels: contextLabels.optional().describe('Labels of the destination, in remote context.'),
  additionalLabels: set(z.string().max(63))
    .max(32)
    .optional()
    .describe('Further labels: is_reply. Others, such as direction, have no effect.'),
  ttl: ruled(z.string().max(64), {
    cel: `self.matches('${TTL}')`,
    check: (ttl) => new RegExp(TTL).test(ttl),
    message: 'write a duration such as 300s, 5m or 1h30m, without a sign',
  })
    .optional()
    .describe('Time without a sample after which a series ends; without it, with its endpoint.'),
});

const namespaceNames = set(z.string().max(63)).max(1000);

/** What MetricsConfiguration's `spec` holds. */
export const metricsConfigurationSpec = z
  .object({
    contextOptions: z
      .array(contextOption)
      .max(100)
      .describe('Which pod-level families there are, and with which labels; with none, all of them.'),
    namespaces: ruled(
      z.object({
        include: namespaceNames.optional().describe('Only these namespaces.'),
        exclude: namespaceNames.optional().describe('All but these namespaces.'),
      }),
      {
        cel: '!(has(self.include) && has(self.exclude))',
        check: ({ include, exclude }) => !(include && exclude),
        message:
          'include and exclude exclude one another: keep include to observe only those namespaces, or exclude to observe all others',
      },
    )
      .optional()
      .describe('Namespaces whose pods are reported; without it, all.'),
  })
  .describe('Which pod-level metrics agents have, for which pods, and with which labels.');

export const metricsConfigurationStatus = z.object({
  state: z
    .enum(['Initialized', 'Accepted', 'Errored', 'Warning'])
    .default('Initialized')
    .describe('Agents act on what is Accepted.'),
  reason: z.string().optional().describe('Why it has this state.'),
  lastKnownSpec: z
    .object({})
    .optional()
    .meta({ 'x-kubernetes-preserve-unknown-fields': true })
    .describe(
      'The last specification that was good: what agents go by that start while the present one has a mistake.',
    ),
  conditions: conditions.optional(),
});
