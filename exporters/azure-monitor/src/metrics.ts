import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { TokenCredential } from '@azure/core-auth';
import {
  bearerTokenAuthenticationPolicy,
  createDefaultHttpClient,
  createHttpHeaders,
  createPipelineFromOptions,
  createPipelineRequest,
  type HttpClient,
  type Pipeline,
  redirectPolicyName,
} from '@azure/core-rest-pipeline';
import type { HostFacts, MetricReader, PartialDelivery } from '@retina/sdk';
import { RetinaError } from '@retina/sdk';
import type { Connections } from './connections.ts';
import { Envelopes, type Item } from './envelopes.ts';
import { failureOf, statusFailure } from './failures.ts';
import { type Connection, connection } from './options.ts';

const zip = promisify(gzip);

/** Says to the library: the body is read here, whatever the status. */
const ANY = new Set([Number.POSITIVE_INFINITY]);
const LONGEST_ANSWER = 1024 * 1024;

/** Statuses of single items that may pass. */
const PASSING = new Set([408, 429, 500, 503]);

export interface MetricsOptions {
  readonly facts: HostFacts;
  /** The connection string, read anew before each push. */
  readonly connectionString: () => Promise<string>;
  readonly credential: () => Promise<TokenCredential | undefined>;
  readonly itemsPerRequest: number;
  readonly timeoutMs: number;
  readonly connections: Connections;
}

/** What Application Insights answers: 200 for all, 206 for some. */
interface TrackAnswer {
  readonly errors?: readonly { readonly index?: number; readonly statusCode?: number; readonly message?: string }[];
}

/** Sends metrics to the ingestion endpoint of Application Insights. */
export class MetricsPush {
  private readonly options: MetricsOptions;
  private readonly client: HttpClient = createDefaultHttpClient();
  private readonly envelopes: Envelopes;
  private connection: Connection | undefined;
  private pipeline: Pipeline | undefined;

  constructor(options: MetricsOptions) {
    this.options = options;
    this.envelopes = new Envelopes(options.facts, () => this.connection!.instrumentationKey);
  }

  async push(reader: MetricReader, signal: AbortSignal): Promise<PartialDelivery | undefined> {
    await this.connect();
    let refused = 0;
    let cause: string | undefined;
    const lose = (items: number, why: string) => {
      refused += items;
      cause ??= why;
    };
    for (const group of this.envelopes.groups(reader, this.options.itemsPerRequest, () =>
      lose(1, 'JSON has no NaN and no infinity'),
    )) {
      signal.throwIfAborted();
      if (group.length > 0) await this.send(group, lose, signal);
      await turn();
    }
    return refused > 0 ? { refused, ...(cause !== undefined && { cause }) } : undefined;
  }

  private async send(
    group: readonly Item[],
    lose: (items: number, why: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { endpoint } = this.connection!;
    const body = await zip(JSON.stringify(group.map(({ envelope }) => envelope)));
    const request = createPipelineRequest({
      url: `${endpoint}/v2.1/track`,
      method: 'POST',
      body,
      headers: createHttpHeaders({ 'content-type': 'application/json', 'content-encoding': 'gzip' }),
      abortSignal: signal,
      timeout: this.options.timeoutMs,
      streamResponseStatusCodes: ANY,
    });
    let status: number;
    let text: string;
    let retryAfter: string | undefined;
    try {
      const response = await this.pipeline!.sendRequest(this.client, request);
      ({ status } = response);
      text = await bounded(response.readableStreamBody);
      retryAfter = response.headers.get('retry-after');
    } catch (error) {
      throw failureOf(endpoint, error, signal);
    }
    const errors = status === 200 || status === 206 ? errorsOf(text, group.length) : undefined;
    if (!errors) {
      if (status === 401) this.pipeline = undefined; // with it the token it remembers
      if (status !== 400 && status !== 413) throw statusFailure(endpoint, status, retryAfter, text);
      // The content is refused, not the sender; an unknown key is no content.
      if (/instrumentation key/i.test(text)) throw statusFailure(endpoint, status, retryAfter, text);
      lose(group.length, `status ${status}: ${text.slice(0, 200)}`);
    }
    let passing = 0;
    for (const [i, item] of group.entries()) {
      const error = errors?.get(i);
      if (error && PASSING.has(error.status)) {
        passing++; // what it added is part of the next difference
        continue;
      }
      if (error) lose(1, error.message);
      item.done?.();
    }
    if (passing > 0 && passing === group.length) {
      throw new RetinaError('RETINA_EXPORT_RETRY', `${endpoint} cannot take it now`, {
        found: `status ${status}`,
        retryable: true,
      });
    }
  }

  private async connect(): Promise<void> {
    const known = connection((await this.options.connectionString()).trim());
    if (!known) {
      throw new RetinaError('RETINA_EXPORT_REFUSED', 'the connection string of Azure Monitor cannot be used', {
        needed: 'InstrumentationKey=<GUID>;IngestionEndpoint=https://…',
        next: 'copy it from the overview of the Application Insights resource',
      });
    }
    const same = this.connection?.endpoint === known.endpoint && this.connection.audience === known.audience;
    this.connection = known;
    if (this.pipeline && same) return;
    const pipeline = createPipelineFromOptions({
      retryOptions: { maxRetries: 0 },
      userAgentOptions: { userAgentPrefix: 'retina' },
    });
    pipeline.removePolicy({ name: redirectPolicyName }); // a token goes where it was meant to go, and nowhere else
    const credential = await this.options.credential();
    if (credential) {
      pipeline.addPolicy(bearerTokenAuthenticationPolicy({ credential, scopes: `${known.audience}/.default` }), {
        phase: 'Sign',
      });
    }
    pipeline.addPolicy(this.options.connections.policy, { afterPhase: 'Sign' });
    this.pipeline = pipeline;
  }
}

/** An answer's text; rejects one that does not end. */
async function bounded(body: NodeJS.ReadableStream | undefined): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    const buffer = Buffer.from(chunk);
    chunks.push(buffer);
    if ((bytes += buffer.length) > LONGEST_ANSWER) throw new Error(`an answer of more than ${LONGEST_ANSWER} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** By index, what was not accepted; nothing of an answer that makes no sense. */
function errorsOf(text: string, items: number): Map<number, { status: number; message: string }> {
  const found = new Map<number, { status: number; message: string }>();
  try {
    for (const { index, statusCode, message } of (JSON.parse(text) as TrackAnswer).errors ?? []) {
      if (typeof index !== 'number' || index < 0 || index >= items) continue;
      found.set(index, { status: Number(statusCode), message: String(message).slice(0, 200) });
    }
  } catch {
    // accepted, and said so in a way nobody reads
  }
  return found;
}
