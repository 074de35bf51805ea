import type { RetinaError } from '@retina/sdk';

/** A receiver that refuses now and then is neither well nor worth a line of log each time. */
const CALM_MS = 2000;

/** What is amiss with a delivery, told when it changes and not for every batch. */
export class Complaints {
  private readonly tell: (cause: RetinaError | undefined) => void;
  private told: string | undefined;
  private toldAt = -Infinity;
  private last = -Infinity;
  private lasting = false;

  constructor(tell: (cause: RetinaError | undefined) => void) {
    this.tell = tell;
  }

  say(error: RetinaError): void {
    this.last = performance.now();
    this.lasting = error.code === 'RETINA_EXPORT_REFUSED';
    if (this.told === error.message || (this.told !== undefined && this.last - this.toldAt < CALM_MS)) return;
    this.told = error.message;
    this.toldAt = this.last;
    this.tell(error);
  }

  fine(): void {
    if (this.told === undefined || (this.lasting && performance.now() - this.last < CALM_MS)) return;
    this.told = undefined;
    this.tell(undefined);
  }
}
