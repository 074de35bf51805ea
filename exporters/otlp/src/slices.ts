import { ValueType } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import {
  type CollectionResult,
  type MetricData,
  type MetricProducer,
  MetricReader as OtelMetricReader,
  type ResourceMetrics,
} from '@opentelemetry/sdk-metrics';
import { MetricDeltas, type MetricFamily, type MetricReader } from '@retina/sdk';

import { type FamilyNames, type Naming, namesOf } from './naming.ts';
import { dataPointType, type Point, readPoint, temporalityOf } from './points.ts';

export interface SliceOptions {
  readonly resource: Resource;
  readonly version: string;
  readonly delta: boolean;
  readonly naming: Naming;
  readonly exponential: boolean;
  readonly pointsPerRequest: number;
  /** JSON has no way to write NaN and infinities that receivers agree on. */
  readonly finiteOnly: boolean;
}

/** Points that go into one request. */
export interface Slice {
  readonly resourceMetrics: ResourceMetrics;
  readonly points: number;
  /** Points that cannot be written in this encoding. */
  readonly unwritable: number;
  /** Its points are delivered, or refused for good: the next deltas start here. */
  commit(): void;
}

/** Text in one request: receivers take 4 MiB by default. */
const CHARS_PER_REQUEST = 512 * 1024;
/** Rows that may be looked at in one turn without a point coming of them: deltas of zero. */
const SILENT_ROWS = 4096;

interface OpenFamily {
  readonly metric: MetricData;
  readonly points: Point[];
}

/**
 * The host's metrics as a `MetricProducer`: each `collect` gives the next slice of the push that {@link StoreProducer.begin} began, none
 * with points when it is over. A slice is converted in one turn of the event loop, and only one is in memory at a time.
 */
export class StoreProducer implements MetricProducer {
  /** The slice `collect` gave last. */
  slice: Slice | undefined;
  private readonly options: SliceOptions;
  private readonly deltas = new MetricDeltas();
  private readonly names = new Map<string, { labels: string; names: FamilyNames }>();
  private walk: Generator<Slice, void> | undefined;

  constructor(options: SliceOptions) {
    this.options = options;
  }

  begin(reader: MetricReader): void {
    this.walk = this.slices(reader);
  }

  collect(): Promise<CollectionResult> {
    const next = this.walk?.next();
    this.slice = next?.value ?? undefined;
    const resourceMetrics = this.slice?.resourceMetrics ?? { resource: this.options.resource, scopeMetrics: [] };
    return Promise.resolve({ resourceMetrics, errors: [] });
  }

  private *slices(reader: MetricReader): Generator<Slice, void> {
    let slice = new SliceBuilder(this.options);
    const seen = new Set<string>();
    let silent = 0;
    for (const family of reader.families()) {
      seen.add(family.name);
      const { size } = family;
      let options: ReturnType<StoreProducer['familyOptions']> | undefined;
      let open: OpenFamily | undefined;
      for (let row = 0; row < size; row++) {
        if (!family.live(row)) continue;
        options ??= this.familyOptions(family, row);
        const reading = readPoint(options, row, Date.now());
        if (!reading) {
          if (++silent % SILENT_ROWS === 0) yield this.pause();
          continue;
        }
        if (this.options.finiteOnly && !writable(reading.point.value)) {
          slice.unwritable++;
          continue;
        }
        open ??= slice.open(options);
        open.points.push(reading.point);
        slice.took(reading.chars, reading.remember);
        if (!slice.full) continue;
        yield slice.done();
        slice = new SliceBuilder(this.options);
        open = undefined;
      }
    }
    this.deltas.keep(seen);
    if (slice.points > 0 || slice.unwritable > 0) yield slice.done();
  }

  /** A slice without anything in it: the event loop gets its turn. */
  private pause(): Slice {
    return new SliceBuilder(this.options).done();
  }

  private familyOptions(family: MetricFamily, row: number) {
    const reading = family.kind === 'histogram' ? family.histogram!(row) : undefined;
    const width = reading ? reading.counts.length + 1 : 1;
    const delta = this.options.delta && family.kind !== 'gauge';
    return {
      family,
      names: this.namesOf(family),
      deltas: delta ? this.deltas.of(family.name, width) : undefined,
      exponential: this.options.exponential && reading?.exponential !== undefined,
    };
  }

  private namesOf(family: MetricFamily): FamilyNames {
    const labels = family.labels.join('\0'); // they change with the configuration of pod-level metrics
    const known = this.names.get(family.name);
    if (known?.labels === labels) return known.names;
    const names = namesOf(family, this.options.naming);
    this.names.set(family.name, { labels, names });
    return names;
  }
}

function writable(value: Point['value']): boolean {
  return Number.isFinite(typeof value === 'number' ? value : (value.sum ?? 0));
}

class SliceBuilder {
  points = 0;
  unwritable = 0;
  private chars = 0;
  private readonly options: SliceOptions;
  private readonly metrics: MetricData[] = [];
  private readonly delivered: (() => void)[] = [];

  constructor(options: SliceOptions) {
    this.options = options;
  }

  get full(): boolean {
    return this.points >= this.options.pointsPerRequest || this.chars >= CHARS_PER_REQUEST;
  }

  open({ family, names, deltas, exponential }: ReturnType<StoreProducer['familyOptions']>): OpenFamily {
    const points: Point[] = [];
    const metric = {
      descriptor: { name: names.name, description: family.help, unit: names.unit, valueType: ValueType.DOUBLE },
      aggregationTemporality: temporalityOf(deltas),
      dataPointType: dataPointType(family, exponential),
      isMonotonic: family.kind === 'counter',
      dataPoints: points,
    } as unknown as MetricData;
    this.metrics.push(metric);
    return { metric, points };
  }

  took(chars: number, remember: (() => void) | undefined): void {
    this.points++;
    this.chars += chars;
    if (remember) this.delivered.push(remember);
  }

  done(): Slice {
    const { resource, version } = this.options;
    const scope = { name: 'retina', version };
    return {
      resourceMetrics: { resource, scopeMetrics: [{ scope, metrics: this.metrics }] },
      points: this.points,
      unwritable: this.unwritable,
      commit: () => {
        for (const remember of this.delivered) remember();
      },
    };
  }
}

/** The SDK's reader over the host's metrics. It is read by whoever pushes, not by a timer of its own: the host has one. */
export class StoreReader extends OtelMetricReader {
  constructor(producer: MetricProducer) {
    super();
    this.setMetricProducer(producer);
  }

  protected override onForceFlush(): Promise<void> {
    return Promise.resolve();
  }

  protected override onShutdown(): Promise<void> {
    return Promise.resolve();
  }
}
