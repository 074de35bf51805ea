import { writeFile } from 'node:fs/promises';
import {
  API,
  defineExporter,
  type EndpointReader,
  FlowEvent,
  type FlowPredicate,
  RetinaError,
  Verdict,
} from '@retina/sdk';
import { z } from 'zod';

export default defineExporter({
  name: 'quiet-flows',
  api: API,
  description: 'Writes flow records as lines of JSON, without those of health checks that went well.',
  stability: 'experimental',
  config: z.strictObject({
    file: z.string().min(1).default('flows.jsonl').describe('Where to append to.'),
    ports: z.array(z.int().min(1).max(65_535)).default([8080, 8081, 10_256]).describe('Ports that health checks go to.'),
  }),
  setup(ctx) {
    const { file, ports } = ctx.config;
    const isHealthCheck = healthChecks(ctx.endpoints, new Set(ports));
    return {
      async flows(batch, signal) {
        let text = '';
        let left = 0;
        for (let row = 0; row < batch.length; row++) {
          // Asked first: a predicate costs numbers, a line costs strings.
          if (isHealthCheck(batch, row)) left++;
          else text += `${JSON.stringify(ctx.flows.json(batch, row))}\n`;
        }
        if (left) text += `${JSON.stringify({ health_checks_left_out: left })}\n`;
        await writeFile(file, text, { flag: 'a', signal }).catch((cause: Error) => {
          throw new RetinaError('RETINA_EXPORT_RETRY', `${file} cannot be written`, { found: cause.message, retryable: true, cause });
        });
      },
    };
  },
}); // prettier-ignore

/** Between a node and a pod, to or from one of the ports, and nothing wrong with it: what fails is worth seeing. */
export function healthChecks(endpoints: EndpointReader, ports: ReadonlySet<number>): FlowPredicate {
  const kind = (id: number) => endpoints.byId(id).kind;
  const isNode = (id: number) => kind(id) === 'node' || kind(id) === 'host';
  return (batch, row) => {
    const [source, destination] = [batch.sourceEndpoint(row), batch.destinationEndpoint(row)];
    const asks = ports.has(batch.destinationPort(row)) && isNode(source) && kind(destination) === 'pod';
    const answers = ports.has(batch.sourcePort(row)) && isNode(destination) && kind(source) === 'pod';
    return (asks || answers) && batch.verdict(row) !== Verdict.DROPPED && batch.event(row) !== FlowEvent.RESET;
  };
}
