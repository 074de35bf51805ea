import type { MetricFamily, MetricReader } from '@retina/sdk';
import { isWanted } from './text.ts';
import { nativeHistogram } from './native-histogram.ts';
import { ProtoWriter } from './proto-writer.ts';

/** Types of io.prometheus.client.MetricType. */
const TYPES = { counter: 0, gauge: 1, histogram: 4 } as const;
const BYTES = 16 * 1024;
const ROWS = 4096;
const NOTHING = Buffer.alloc(0);

/**
 * io.prometheus.client.MetricFamily messages, each with its length before it, piece by piece. Histograms with exponential bounds are native
 * and classic at once, so that nobody who queries the classic series misses them.
 */
export function* renderProtobuf(reader: MetricReader, names: readonly string[] = []): Generator<Buffer> {
  const wanted = names.length > 0 ? new Set(names) : undefined;
  for (const family of reader.families()) {
    if (wanted && !isWanted(family, wanted)) yield NOTHING;
    else yield* renderFamily(family);
  }
}

function* renderFamily(family: MetricFamily): Generator<Buffer> {
  const writer = new ProtoWriter();
  const parts: Buffer[] = []; // the family's length comes before it, so it is written as a whole first
  let bytes = 0;
  const head = () => {
    writer.text(1, family.name);
    writer.text(2, family.help);
    writer.uint(3, TYPES[family.kind]);
  };
  head();
  const empty = writer.length;
  for (let i = 0; i < family.size; i++) {
    if (family.live(i)) writer.message(4, () => metric(writer, family, i));
    if (writer.length >= BYTES) {
      bytes += writer.length;
      parts.push(writer.take());
      yield NOTHING;
    } else if (i % ROWS === ROWS - 1) yield NOTHING;
  }
  if (parts.length === 0 && writer.length === empty) return;
  bytes += writer.length;
  parts.push(writer.take());
  writer.varint(bytes);
  yield writer.take();
  yield* parts;
}

function metric(writer: ProtoWriter, family: MetricFamily, i: number): void {
  family.labels.forEach((label, j) => {
    writer.message(1, () => {
      writer.text(1, label);
      writer.text(2, family.label(i, j));
    });
  });
  if (family.kind === 'histogram' && family.histogram) writer.message(7, () => histogram(writer, family, i));
  else if (family.kind === 'counter') {
    writer.message(3, () => {
      writer.double(1, family.value(i));
      const created = family.created(i);
      writer.message(3, () => {
        writer.uint(1, Math.floor(created / 1000));
        writer.uint(2, (created % 1000) * 1e6);
      });
    });
  } else writer.message(2, () => writer.double(1, family.value(i)));
}

function histogram(writer: ProtoWriter, family: MetricFamily, i: number): void {
  const all = family.histogram!(i);
  const { bounds, counts, sum } = all;
  writer.uint(1, counts.at(-1) ?? 0);
  writer.double(2, sum);
  bounds.forEach((bound, b) => {
    writer.message(3, () => {
      writer.uint(1, counts[b]!);
      writer.double(2, bound);
    });
  });
  const native = nativeHistogram(all);
  if (!native) return;
  writer.sint(5, native.schema);
  writer.double(6, native.zeroThreshold);
  writer.uint(7, native.zeroCount);
  for (const { offset, length } of native.spans) {
    writer.message(12, () => {
      writer.sint(1, offset);
      writer.uint(2, length);
    });
  }
  for (const delta of native.deltas) writer.sint(13, delta);
}
