/** What a new package starts from. Its files lie in `templates/<name>/`. */
export interface Template {
  readonly kind: 'plugin' | 'exporter';
  /** One sentence for whoever chooses. */
  readonly description: string;
  /** It has a BPF program: built by retina-bpf, tested against a recording of a kernel. */
  readonly bpf: boolean;
}

/** Every template by name; the first of a kind is what one gets without asking. */
export const TEMPLATES: Readonly<Record<string, Template>> = {
  tap: { kind: 'plugin', bpf: true, description: 'a BPF program that looks at every packet of every pod interface and uplink' }, // prettier-ignore
  tracepoint: { kind: 'plugin', bpf: true, description: 'a BPF program on a kernel tracepoint' },
  polling: { kind: 'plugin', bpf: false, description: 'no BPF: reads a file of the node every few seconds' },
  push: { kind: 'exporter', bpf: false, description: 'sends every metric somewhere at an interval' },
  pull: { kind: 'exporter', bpf: false, description: 'serves every metric to whoever asks' },
  flows: { kind: 'exporter', bpf: false, description: 'consumes flow records: who spoke to whom' },
};
