import type { Sink } from '@retina/sdk';

/** The same sink with something around each of its calls. */
export function wrapSink(sink: Sink | void, around: <T>(call: () => T, what: keyof Sink) => T): Sink | void {
  if (!sink) return sink;
  return {
    ...(sink.push && { push: sink.push }),
    ...(sink.metrics && { metrics: (reader, signal) => around(() => sink.metrics!(reader, signal), 'metrics') }),
    ...(sink.flows && { flows: (batch, signal) => around(() => sink.flows!(batch, signal), 'flows') }),
    ...(sink.flush && { flush: (signal) => around(() => sink.flush!(signal), 'flush') }),
  };
}
