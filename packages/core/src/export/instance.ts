/** An exporter's name in the configuration, taken apart. */
export interface InstanceName {
  /** What is imported: `otlp`, `@acme/retina-exporter-x`, `./x.ts`. */
  readonly type: string;
  /** What follows the type's name in states and metrics: `/east`, or nothing. */
  readonly suffix: string;
}

/**
 * Takes `TYPE/NAME` apart, as the OpenTelemetry Collector has it: one exporter under several names. A scoped package is a type of two
 * parts (`@acme/x/east`); paths have no instances.
 */
export function instanceOf(name: string): InstanceName {
  const [, type, suffix] = /^(@[^/]+\/[^/]+|[^@./][^/]*)(\/[A-Za-z0-9][A-Za-z0-9._-]{0,62})$/.exec(name) ?? [];
  return type === undefined ? { type: name, suffix: '' } : { type, suffix: suffix! };
}
