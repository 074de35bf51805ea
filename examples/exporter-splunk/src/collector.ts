import { setImmediate as turn } from 'node:timers/promises';
import { httpFailure, type FlowBatch, type FlowJson, type PartialDelivery } from '@retina/sdk';
import type { Answer, Connection } from './post.ts';

export interface CollectorOptions {
  readonly connection: Pick<Connection, 'post'>;
  /** What errors call it. */
  readonly receiver: string;
  readonly json: (batch: FlowBatch, row: number) => FlowJson;
  readonly token: () => Promise<string>;
  /** `host`, `source`, `sourcetype`, `index` of every event. */
  readonly fields: Readonly<Record<string, string>>;
}

/** Records made into text before others get their turn. */
const ROWS = 256;
/** The collector's code for an event it cannot make sense of; `invalid-event-number` says which. */
const INVALID_DATA = 6;

/** Batches of flow records as calls of the HTTP Event Collector: events one behind the other. */
export class Collector {
  private readonly options: CollectorOptions;

  constructor(options: CollectorOptions) {
    this.options = options;
  }

  /** Throws RETINA_EXPORT_RETRY and RETINA_EXPORT_REFUSED. */
  async send(batch: FlowBatch, signal: AbortSignal): Promise<PartialDelivery | void> {
    const { connection, receiver, token } = this.options;
    const headers = { authorization: `Splunk ${await token()}`, 'content-type': 'application/json' };
    const answer = await connection.post(await this.body(batch), headers, signal);
    if (answer.status === 200) return;
    const at = invalidEvent(answer, batch.length);
    if (at === undefined) throw httpFailure(receiver, answer);
    // The events before it are in, it will never be, those after it were not looked at.
    const retry = Array.from({ length: batch.length - at - 1 }, (_, i) => at + 1 + i);
    return { refused: 1, cause: answer.body.slice(0, 200), ...(retry.length > 0 && { retry, retryAfterMs: 0 }) };
  }

  private async body(batch: FlowBatch): Promise<string> {
    const { json, fields } = this.options;
    let text = '';
    for (let row = 0; row < batch.length; row++) {
      text += `${JSON.stringify({ time: batch.end(row) / 1000, ...fields, event: json(batch, row) })}\n`;
      if (row % ROWS === ROWS - 1) await turn();
    }
    return text;
  }
}

function invalidEvent({ status, body }: Answer, events: number): number | undefined {
  if (status !== 400) return undefined;
  try {
    const { code, 'invalid-event-number': at } = JSON.parse(body) as { code?: unknown; 'invalid-event-number'?: unknown };
    return code === INVALID_DATA && Number.isInteger(at) && (at as number) >= 0 && (at as number) < events ? (at as number) : undefined;
  } catch {
    return undefined;
  }
} // prettier-ignore
