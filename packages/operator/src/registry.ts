/** A family of samples. Values for its labels come in the order it was declared with. */
export interface Instrument {
  add(amount: number, ...labels: string[]): void;
  set(value: number, ...labels: string[]): void;
  clear(): void;
}

class Family implements Instrument {
  readonly name: string;
  readonly head: string;
  private readonly labels: readonly string[];
  private readonly samples = new Map<string, number>();

  constructor(kind: 'counter' | 'gauge', name: string, help: string, labels: readonly string[]) {
    this.name = name;
    this.head = `# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`;
    this.labels = labels;
    if (labels.length === 0) this.samples.set('', 0);
  }

  add(amount: number, ...labels: string[]): void {
    const key = this.key(labels);
    this.samples.set(key, (this.samples.get(key) ?? 0) + amount);
  }

  set(value: number, ...labels: string[]): void {
    this.samples.set(this.key(labels), value);
  }

  clear(): void {
    this.samples.clear();
  }

  text(): string {
    return this.head + [...this.samples].map(([key, value]) => `${this.name}${key} ${value}\n`).join('');
  }

  private key(values: readonly string[]): string {
    if (this.labels.length === 0) return '';
    return `{${this.labels.map((label, i) => `${label}="${escaped(values[i] ?? '')}"`).join(',')}}`;
  }
}

/**
 * A few dozen series in the Prometheus text format. The agent's store is for a hundred thousand; it would bring the native
 * loader into the operator's image.
 */
export class Registry {
  private readonly families: Family[] = [];
  private readonly readings = new Set<() => void>();

  counter(name: string, help: string, labels: readonly string[] = []): Instrument {
    return this.family('counter', name, help, labels);
  }

  gauge(name: string, help: string, labels: readonly string[] = []): Instrument {
    return this.family('gauge', name, help, labels);
  }

  /** Runs before each reading, until the function it returns is called. */
  reading(read: () => void): () => void {
    this.readings.add(read);
    return () => void this.readings.delete(read);
  }

  text(): string {
    for (const read of this.readings) read();
    return this.families.map((family) => family.text()).join('');
  }

  private family(kind: 'counter' | 'gauge', name: string, help: string, labels: readonly string[]): Family {
    const made = new Family(kind, name, help, labels);
    this.families.push(made);
    return made;
  }
}

function escaped(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
