const RETRY_INFO = 'type.googleapis.com/google.rpc.RetryInfo';
/** No receiver is believed that asks for longer. */
const LONGEST_MS = 3_600_000;

/** Milliseconds that the `google.rpc.RetryInfo` in a gRPC error's details asks to wait, if there is one. Takes any bytes. */
export function retryDelay(details: unknown): number | undefined {
  if (!(details instanceof Uint8Array)) return undefined;
  for (const any of fields(details, 3)) {
    const [url] = fields(any, 1);
    const [value] = fields(any, 2);
    if (!url || !value || Buffer.from(url).toString('latin1') !== RETRY_INFO) continue;
    const [duration] = fields(value, 1);
    if (!duration) return undefined;
    const seconds = number(duration, 1);
    const nanos = number(duration, 2);
    return Math.min(seconds * 1000 + nanos / 1e6, LONGEST_MS);
  }
  return undefined;
}

/** Length-delimited fields with a number in a protobuf message; stops at the first byte that is wrong. */
function* fields(message: Uint8Array, wanted: number): Generator<Uint8Array, void> {
  for (const field of read(message)) {
    if (field.number === wanted && field.bytes) yield field.bytes;
  }
}

/** A varint field, negative ones as 0. */
function number(message: Uint8Array, wanted: number): number {
  let found = 0;
  for (const field of read(message)) if (field.number === wanted && field.bytes === undefined) found = field.value;
  return found > Number.MAX_SAFE_INTEGER ? 0 : found;
}

function* read(message: Uint8Array): Generator<{ number: number; value: number; bytes?: Uint8Array }, void> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = message[at++];
      if (byte === undefined) return NaN;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return NaN;
  };
  while (at < message.length) {
    const tag = varint();
    const wire = tag % 8;
    const value = wire === 1 ? 8 : wire === 5 ? 4 : varint();
    if (Number.isNaN(tag) || Number.isNaN(value) || (wire !== 0 && wire !== 1 && wire !== 2 && wire !== 5)) return;
    if (wire === 0) {
      yield { number: Math.floor(tag / 8), value };
      continue;
    }
    if (at + value > message.length) return;
    yield { number: Math.floor(tag / 8), value: 0, bytes: message.subarray(at, at + value) };
    at += value;
  }
}
