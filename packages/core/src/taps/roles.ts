import type { DefaultRoute, Interface } from '@retina/loader';
import type { Tap } from '@retina/sdk';

export interface TapPatterns {
  readonly extra: readonly string[];
  readonly exclude: readonly string[];
}

export interface Candidate {
  readonly interface: Interface;
  readonly role: Tap['role'];
}

/**
 * Which interfaces are tapped, and as what. One role each, by interface index, in this order:
 *
 * - `uplink`: carries a default route of either family, see uplinksOf. A VLAN stands for its lower device, whose frames hold the tag and
 *   pass it once; a bond, team or bridge is tapped itself, because its members would count each packet again.
 * - `endpoint`: a veth whose other end is in another namespace.
 * - `extra`: matches a pattern of `taps.extra`, and is no VLAN on a tapped uplink nor a member of a tapped bond: their
 *   packets pass that one, and would count twice.
 *
 * `taps.exclude` wins over all of them.
 */
export function tapCandidates(
  interfaces: readonly Interface[],
  defaultRoutes: readonly DefaultRoute[],
  patterns: TapPatterns,
): ReadonlyMap<number, Candidate> {
  const byIndex = new Map(interfaces.map((one) => [one.ifindex, one]));
  const uplinks = uplinksOf(interfaces, defaultRoutes);
  const extra = matcher(patterns.extra);
  const exclude = matcher(patterns.exclude);
  const tapped = (uplink: Interface | undefined) =>
    uplink !== undefined && uplinks.has(uplink.ifindex) && !exclude(uplink.name);
  const passesUplink = (one: Interface) => {
    const master = byIndex.get(one.master);
    if ((master?.kind === 'bond' || master?.kind === 'team') && tapped(master)) return true;
    return one.kind === 'vlan' && tapped(byIndex.get(lowest(one.ifindex, byIndex)));
  };
  const out = new Map<number, Candidate>();
  for (const one of interfaces) {
    if (exclude(one.name)) continue;
    const role = uplinks.has(one.ifindex)
      ? 'uplink'
      : leadsElsewhere(one, byIndex)
        ? 'endpoint'
        : extra(one.name) && !passesUplink(one)
          ? 'extra'
          : undefined;
    if (role) out.set(one.ifindex, { interface: one, role });
  }
  return out;
}

/**
 * Devices of the default routes: all of the main table's, and hardware of other tables', as a cloud's further network
 * interfaces are, whose pods are told by rules. A tunnel there is none: its packets leave by another device once more.
 */
export function uplinksOf(interfaces: readonly Interface[], routes: readonly DefaultRoute[]): ReadonlySet<number> {
  const byIndex = new Map(interfaces.map((one) => [one.ifindex, one]));
  const uplinks = new Set<number>();
  for (const { ifindex, main } of routes) {
    const device = lowest(ifindex, byIndex);
    const hardware = byIndex.get(device)?.kind === '' && !byIndex.get(device)!.loopback;
    if (main || hardware) uplinks.add(device);
  }
  return uplinks;
}

/** Down through VLANs to the device that frames leave by, as far as it is in our namespace. */
function lowest(ifindex: number, byIndex: ReadonlyMap<number, Interface>): number {
  const seen = new Set<number>();
  for (let at = byIndex.get(ifindex); at?.kind === 'vlan' && at.linkNetnsid === -1 && !seen.has(at.ifindex);) {
    seen.add(at.ifindex);
    const lower = byIndex.get(at.linkIfindex);
    if (!lower) break;
    ifindex = lower.ifindex;
    at = lower;
  }
  return ifindex;
}

/** A veth's index at the other end may equal one of ours by chance; only if both point at each other is the peer here. */
export function leadsElsewhere(one: Interface, byIndex: ReadonlyMap<number, Interface>): boolean {
  if (one.kind !== 'veth') return false;
  if (one.linkNetnsid !== -1) return true;
  const peer = byIndex.get(one.linkIfindex);
  return peer?.kind !== 'veth' || peer.linkIfindex !== one.ifindex;
}

/** True for names that match one of the patterns: `*` any characters, `?` one. */
export function matcher(patterns: readonly string[]): (name: string) => boolean {
  if (patterns.length === 0) return () => false;
  const source = patterns.map((pattern) =>
    pattern
      .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.'),
  );
  const all = new RegExp(`^(?:${source.join('|')})$`);
  return (name) => all.test(name);
}
