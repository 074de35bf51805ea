import { randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { httpFailure, RetinaError, type FlowBatch, type FlowJson, type PartialDelivery } from '@retina/sdk';
import type { Connection } from './post.ts';

export interface BulkOptions {
  readonly connection: Pick<Connection, 'post'>;
  /** What errors call it. */
  readonly receiver: string;
  readonly json: (batch: FlowBatch, row: number) => FlowJson;
  readonly authorization: () => Promise<string | undefined>;
}

interface Item {
  readonly status?: number;
  readonly error?: { readonly type?: string; readonly reason?: string };
}

/** Records made into text before others get their turn. */
const ROWS = 256;
/** An item of that id is there already: an earlier call arrived whose answer did not. */
const THERE_ALREADY = 409;

/** Batches of flow records as calls of the bulk API. Each record has an id, so that what is sent again is not there twice. */
export class Bulk {
  private readonly options: BulkOptions;
  private readonly ids = new WeakMap<FlowBatch, string>();

  constructor(options: BulkOptions) {
    this.options = options;
  }

  /** Throws RETINA_EXPORT_RETRY and RETINA_EXPORT_REFUSED. */
  async send(batch: FlowBatch, signal: AbortSignal): Promise<PartialDelivery | void> {
    const { connection, receiver } = this.options;
    const authorization = await this.options.authorization();
    const headers = { 'content-type': 'application/x-ndjson', ...(authorization && { authorization }) };
    const answer = await connection.post(await this.body(batch), headers, signal);
    if (answer.status !== 200) throw httpFailure(receiver, answer);
    return this.judge(batch, answer.body);
  }

  private async body(batch: FlowBatch): Promise<string> {
    let id = this.ids.get(batch);
    if (id === undefined) this.ids.set(batch, (id = randomUUID()));
    let text = '';
    for (let row = 0; row < batch.length; row++) {
      const flow = this.options.json(batch, row);
      text += `{"create":{"_id":"${id}-${row}"}}\n${JSON.stringify({ '@timestamp': flow.time, ...flow })}\n`;
      if (row % ROWS === ROWS - 1) await turn();
    }
    return text;
  }

  /** A call as a whole succeeds even where each of its items failed. */
  private judge(batch: FlowBatch, body: string): PartialDelivery | void {
    const items = itemsOf(body);
    if (items?.length !== batch.length) {
      throw new RetinaError('RETINA_EXPORT_RETRY', `${this.options.receiver} gives an answer that is none`, {
        found: body.slice(0, 100),
        needed: `the fate of ${batch.length} items`,
        retryable: true,
      });
    }
    const retry: number[] = [];
    let refused = 0;
    let cause: string | undefined;
    for (const [row, { status = 0, error }] of items.entries()) {
      if ((status >= 200 && status < 300) || status === THERE_ALREADY) continue;
      cause ??= `status ${status}: ${error?.type ?? 'unknown'}: ${error?.reason?.slice(0, 200) ?? ''}`;
      if (status === 429 || status >= 500) retry.push(row);
      else refused++;
    }
    if (cause === undefined) return;
    return { cause, ...(refused > 0 && { refused }), ...(retry.length > 0 && { retry }) };
  }
}

function itemsOf(body: string): readonly Item[] | undefined {
  try {
    const { items } = JSON.parse(body) as { items?: readonly Readonly<Record<string, Item>>[] };
    return items?.map((item) => item['create'] ?? {});
  } catch {
    return undefined;
  }
}
