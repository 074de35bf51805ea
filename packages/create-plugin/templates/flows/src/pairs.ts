import { type FlowBatch, Verdict } from '@retina/sdk';

interface Sums {
  packets: number;
  bytes: number;
  dropped: number;
}

/**
 * Packets and bytes of a batch by source and destination, as lines of JSON: at most `most` pairs, further ones summed as "other".
 * `nameOf` turns the id of an endpoint into text.
 */
export function linesOf(batch: FlowBatch, most: number, nameOf: (endpoint: number) => string): string {
  const pairs = new Map<string, Sums>();
  for (let row = 0; row < batch.length; row++) {
    const pair = `${batch.sourceEndpoint(row)} ${batch.destinationEndpoint(row)}`;
    const key = pairs.has(pair) || pairs.size < most ? pair : 'other';
    let sums = pairs.get(key);
    if (!sums) pairs.set(key, (sums = { packets: 0, bytes: 0, dropped: 0 }));
    const packets = count(batch.packets(row));
    sums.packets += packets;
    sums.bytes += count(batch.bytes(row));
    if (batch.verdict(row) === Verdict.DROPPED) sums.dropped += packets;
  }
  let lines = '';
  for (const [key, sums] of pairs) {
    const [source, destination] = key === 'other' ? ['other', 'other'] : key.split(' ').map((id) => nameOf(Number(id)));
    lines += `${JSON.stringify({ source, destination, ...sums })}\n`;
  }
  return lines;
}

/** A record may come from any plugin: what is no count would make the whole sum none. */
function count(value: number): number {
  return value > 0 && value < Infinity ? value : 0;
}
