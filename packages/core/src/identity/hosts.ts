import { type Claim, rootOf } from './claim.ts';
import type { EndpointIndex } from './endpoint-index.ts';

/** Which endpoints are this host itself, under whatever name. */
export class Hosts {
  readonly claims = new Set<Claim>();
  private readonly ids = new Set<number>();

  has(id: number): boolean {
    return this.ids.has(id);
  }

  refresh(index: EndpointIndex): void {
    this.ids.clear();
    for (const claim of this.claims) {
      this.ids.add(claim.id);
      for (const text of claim.addresses) {
        const first = rootOf(index.claimantsOf(text)[0]!);
        // A proxy may keep the addresses of services on an interface of the host.
        if (first.spec.kind !== 'service' && first.spec.kind !== 'api-server') this.ids.add(first.id);
      }
    }
  }
}
