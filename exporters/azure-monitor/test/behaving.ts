import type { Behaviour, Certificates, ContractReceiver } from '@retina/testkit';
import { Azure, RULE } from './azure.ts';

/** The Logs Ingestion API for the rules about loss; `options` are those that do not depend on where it is. */
export function behavingAzure(
  certificates: Certificates,
  options: (azure: Azure) => Readonly<Record<string, unknown>>,
): () => Promise<ContractReceiver> {
  return async () => {
    const azure = await Azure.start(certificates);
    let [offered, accepted, turn] = [0, 0, 0];
    let how: Behaviour = 'accept';
    azure.onLogs = (response, { items }) => {
      offered += items.length;
      const now = turn++;
      if (how === 'hang') return;
      if (how === 'refuse') return void response.writeHead(400).end();
      if (how === 'busy' && now === 0) return void response.writeHead(429, { 'retry-after': '1' }).end();
      if (how === 'flaky' && now % 3 === 0) return void response.writeHead(503).end();
      if (how === 'flaky' && now % 3 === 1) return void response.socket?.destroy();
      accepted += items.length;
      response.writeHead(204).end();
    };
    return {
      options: { ...options(azure), flows: { enabled: true, endpoint: azure.url, ruleId: RULE, windowMs: 200 } },
      behave: (next) => void (how = next),
      get offered() {
        return offered;
      },
      get accepted() {
        return accepted;
      },
      [Symbol.asyncDispose]: () => azure[Symbol.asyncDispose](),
    };
  };
}
