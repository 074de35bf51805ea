import { type Behaviour, type Certificates, type ContractReceiver, seriesIn } from '@retina/testkit';
import { accepted as tracked, type Answer, Azure, RULE } from './azure.ts';

type Options = (azure: Azure) => Readonly<Record<string, unknown>>;

/** The Logs Ingestion API for the rules about loss; `options` are those that do not depend on where it is. */
export function behavingAzure(certificates: Certificates, options: Options): () => Promise<ContractReceiver> {
  return async () => {
    const azure = await Azure.start(certificates);
    const behaving = new Behaving(azure, ({ length }) => length, (response) => void response.writeHead(204).end()); // prettier-ignore
    azure.onLogs = behaving.answer;
    const flows = { enabled: true, endpoint: azure.url, ruleId: RULE, windowMs: 200 };
    return Object.assign(behaving, { options: { ...options(azure), flows } });
  };
}

/** The same of Application Insights' ingestion, for metrics. */
export function behavingInsights(certificates: Certificates, options: Options): () => Promise<ContractReceiver> {
  return async () => {
    const azure = await Azure.start(certificates);
    const seriesOf = (items: readonly unknown[]) => seriesIn(Buffer.from(JSON.stringify(items)));
    const behaving = new Behaving(azure, seriesOf, (response, { items }) => tracked(response, items.length));
    azure.onTrack = behaving.answer;
    return Object.assign(behaving, { options: { ...options(azure), flows: { enabled: false } } });
  };
}

class Behaving implements Omit<ContractReceiver, 'options'> {
  offered = 0;
  accepted = 0;
  private readonly azure: Azure;
  private readonly count: (items: readonly unknown[]) => number;
  private readonly take: Answer;
  private how: Behaviour = 'accept';
  private turn = 0;

  constructor(azure: Azure, count: (items: readonly unknown[]) => number, take: Answer) {
    this.azure = azure;
    this.count = count;
    this.take = take;
  }

  behave(how: Behaviour): void {
    this.how = how;
  }

  readonly answer: Answer = (response, request, n) => {
    const { how } = this;
    const items = this.count(request.items);
    this.offered += items;
    const now = this.turn++;
    if (how === 'hang') return;
    if (how === 'refuse') return void response.writeHead(400).end();
    if (how === 'busy' && now === 0) return void response.writeHead(429, { 'retry-after': '1' }).end();
    if (how === 'flaky' && now % 3 === 0) return void response.writeHead(503).end();
    if (how === 'flaky' && now % 3 === 1) return void response.socket?.destroy();
    this.accepted += items;
    this.take(response, request, n);
  };

  [Symbol.asyncDispose](): Promise<void> {
    return this.azure[Symbol.asyncDispose]();
  }
}
