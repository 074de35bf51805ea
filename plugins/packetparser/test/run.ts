import { kernelFeatures, type LoadedObject, openObject } from '@retina/loader';
import { FLOW_STRIDE, FlowBatch, type FlowSource, type FlowSourceStats } from '@retina/sdk';
import { addressText, flowText, type Packet } from '@retina/testkit';

export const OBJECT = new URL('../dist/packetparser.bpf.o', import.meta.url);

/** What one flow record says, in the terms of the packet builders. */
export interface Row {
  readonly text: string;
  readonly family: number;
  readonly packets: number;
  readonly bytes: number;
  readonly tcpFlags: number;
}

export interface RunResult {
  readonly rows: readonly Row[];
  /** By cause; causes that did not occur are left out. */
  readonly unparsed: Readonly<Record<string, number>>;
  /** Packets the kernel ran the program on: it refuses those that end within their IP header. */
  readonly accepted: number;
}

/** packetparser's object without an interface: packets go through its program by BPF_PROG_TEST_RUN, flows come out. */
export class ParserRun implements Disposable {
  readonly object: LoadedObject;
  readonly source: FlowSource;
  private readonly program: string;
  private rows: Row[] = [];

  private constructor(object: LoadedObject, program: string) {
    this.object = object;
    this.program = program;
    this.source = object.flows({ intervalMs: 600_000, drainMs: 1000 }, (batch) => this.take(batch));
  }

  static async load(
    program = 'packetparser_ingress',
    { units = 4096, spill = 1024, constants = {} } = {},
  ): Promise<ParserRun> {
    const cpus = kernelFeatures().possibleCpus;
    const object = await openObject(OBJECT).load({
      constants: { rt_ring_units: units, rt_ring_cpus: cpus, ...constants },
      maxEntries: { rt_ring: Math.ceil((units * cpus) / 2), rt_ring_cpu: cpus, rt_spill_0: spill, rt_spill_1: spill },
    });
    return new ParserRun(object, program);
  }

  /** Runs the packets and returns what changed, and how the totals of unparsed packets grew. */
  async run(packets: readonly Packet[]): Promise<RunResult> {
    const before = this.stats().unparsed;
    const program = this.object.program(this.program);
    let accepted = 0;
    for (const { bytes } of packets) {
      try {
        program.testRun(bytes);
        accepted++;
      } catch (error) {
        if (!String(error).includes('EINVAL')) throw error;
      }
    }
    this.rows = [];
    await this.source.flush();
    const grown = Object.entries(this.stats().unparsed).map(([cause, { packets: n }]) => [
      cause,
      n - (before[cause]?.packets ?? 0),
    ]);
    const unparsed = Object.fromEntries(grown.filter(([, n]) => (n as number) > 0)) as Record<string, number>;
    return { rows: merged(this.rows), unparsed, accepted };
  }

  stats(): FlowSourceStats {
    return this.source.stats();
  }

  [Symbol.dispose](): void {
    this.source[Symbol.dispose]();
    this.object[Symbol.dispose]();
  }

  private take(batch: FlowBatch): void {
    const copy = new FlowBatch(batch.buffer.slice(0, batch.length * FLOW_STRIDE), batch.length);
    for (let row = 0; row < copy.length; row++) {
      this.rows.push({
        text: flowText({
          family: copy.family(row) as 4 | 6,
          source: addressText(copy.sourceAddress(row)),
          destination: addressText(copy.destinationAddress(row)),
          protocol: copy.protocol(row),
          sourcePort: copy.sourcePort(row),
          destinationPort: copy.destinationPort(row),
          icmpType: copy.icmpType(row),
          icmpCode: copy.icmpCode(row),
        }),
        family: copy.family(row),
        packets: copy.packets(row),
        bytes: copy.bytes(row),
        tcpFlags: copy.tcpFlags(row) & 0x1ff,
      });
    }
  }
}

/** What the records of these packets must say, summed by flow. */
export function expectedRows(packets: readonly Packet[]): readonly Row[] {
  return merged(
    packets.flatMap(({ expected: { flow, bytes, tcpFlags } }) =>
      flow ? [{ text: flowText(flow), family: flow.family, packets: 1, bytes, tcpFlags }] : [],
    ),
  );
}

/** One row per flow, in a fixed order. A flow may have several records: one that says it ended counts nothing. */
function merged(rows: readonly Row[]): readonly Row[] {
  const flows = new Map<string, Row>();
  for (const row of rows) {
    const known = flows.get(row.text);
    flows.set(row.text, {
      ...row,
      packets: row.packets + (known?.packets ?? 0),
      bytes: row.bytes + (known?.bytes ?? 0),
      tcpFlags: row.tcpFlags | (known?.tcpFlags ?? 0),
    });
  }
  return [...flows.values()].sort(byText);
}

function byText(a: Row, b: Row): number {
  return a.text < b.text ? -1 : 1;
}

/** Whether kernel tests run here: as root, or because CI demands it. */
export const asRoot = process.getuid?.() === 0 || process.env['CI'] === 'true';
