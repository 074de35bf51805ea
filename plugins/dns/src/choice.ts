import type { Flows } from '@retina/sdk';
import type { Packet } from './packet.ts';
import { Rows } from './rows.ts';

/** Whom the host reports, asked before a message's names take the place of others' among the labels. */
export class Choice {
  private readonly flows: Pick<Flows, 'resolve' | 'selecting'>;
  private readonly asked: Rows;
  private aside = false;

  constructor(flows: Pick<Flows, 'resolve' | 'selecting'>) {
    this.flows = flows;
    this.asked = new Rows((batch) => {
      flows.resolve(batch);
      this.aside = batch.aside(0);
    }, 1);
  }

  /** Whether nobody chose whom a message is from or to. */
  leaves(packet: Packet, netns: number, time: number, response: boolean): boolean {
    if (!this.flows.selecting) return false;
    this.asked.add(packet, netns, time, response, undefined, 0);
    this.asked.end();
    return this.aside;
  }
}
