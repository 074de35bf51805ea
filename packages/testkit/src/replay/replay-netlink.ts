import type { LoaderApi } from '@retina/loader';
import { type NetlinkMessage, RetinaError } from '@retina/sdk';
import { handedOver, requestKey, subscriptionKey, unframed } from './netlink-recording.ts';
import type { RecordedBatch } from './recording.ts';
import type { OpenResources } from './replay-object.ts';

type Listener = (messages: readonly NetlinkMessage[], lost: number) => void;

/** Netlink and device statistics out of a recording. */
export class ReplayNetlink {
  /** Given to every request from now on instead of what was recorded. */
  answer: ((type: number) => readonly NetlinkMessage[]) | undefined;
  private readonly open: OpenResources;
  private readonly listeners = new Map<Listener, string>();
  /** What each question was answered, in order; the last one stands for all that follow. */
  private readonly answers = new Map<string, RecordedBatch[]>();

  constructor(batches: readonly RecordedBatch[], open: OpenResources) {
    this.open = open;
    for (const batch of batches) {
      if (batch.source !== 'netlink' && batch.source !== 'statistics') continue;
      this.answers.set(batch.map, [...(this.answers.get(batch.map) ?? []), batch]);
    }
  }

  readonly request: LoaderApi['netlinkRequest'] = async (request, handle) => {
    await Promise.resolve();
    const made = this.answer?.(request.type);
    if (made) {
      handle(made);
      return { messages: made.length, interrupted: false };
    }
    const answer = this.next(requestKey(request));
    if (!answer) {
      if (this.answers.size === 0) return { messages: 0, interrupted: false };
      throw new RetinaError('RETINA_NETLINK_FAILED', 'the recording knows nothing of this request', {
        found: [...this.answers.keys()].join(', '),
        needed: requestKey(request),
        next: 'record it again with root',
      });
    }
    if (answer.records > 0) handle(handedOver(answer.bytes, request.unsplit));
    return { messages: answer.records, interrupted: answer.lost > 0 };
  };

  readonly subscribe: LoaderApi['netlinkSubscribe'] = (family, groups, handle) => {
    // Its own function each time: the same handler may subscribe twice.
    const listener: Listener = (messages, lost) => handle(messages, lost);
    this.listeners.set(listener, subscriptionKey(family, groups));
    const resource = { what: `netlink ${subscriptionKey(family, groups)}` };
    this.open.add(resource);
    return {
      [Symbol.dispose]: () => {
        this.listeners.delete(listener);
        this.open.delete(resource);
      },
    };
  };

  readonly statistics: LoaderApi['deviceStatistics'] = async (interfaceName) => {
    await Promise.resolve();
    const answer = this.next(interfaceName);
    if (!answer?.records) return undefined;
    return new Map(JSON.parse(new TextDecoder().decode(answer.bytes)) as [string, number][]);
  };

  /** Hands a recorded batch to the subscriptions it is of. False if there is none. */
  deliver({ map, bytes, lost }: RecordedBatch): boolean {
    let heard = false;
    for (const [listener, key] of this.listeners) {
      if (key !== map) continue;
      listener(unframed(bytes), lost);
      heard = true;
    }
    return heard;
  }

  /** Hands messages to every subscription. How many there are. */
  feed(messages: readonly NetlinkMessage[], lost: number): number {
    for (const listener of [...this.listeners.keys()]) listener(messages, lost);
    return this.listeners.size;
  }

  private next(key: string): RecordedBatch | undefined {
    const answers = this.answers.get(key);
    return answers && answers.length > 1 ? answers.shift() : answers?.[0];
  }
}
