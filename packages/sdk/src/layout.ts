/** How one field lies in a fixed-stride kernel record. */
export interface Field {
  /** Bytes from the start of the record. */
  readonly offset: number;
  /** `bytes` fields are read with {@link RecordBatch.bytes}; u64 and s64 are read as doubles (exact to 2^53). */
  readonly type: 'u8' | 'u16' | 'u32' | 's32' | 'u64' | 's64' | 'bytes';
  /** Bytes it takes. */
  readonly size: number;
  /** The semantic typedef in the C source, such as `rt_addr` or `rt_ifindex`, where it has one. */
  readonly semantic?: string;
}

/** A record's shape, written from the BPF object's type information at build time. */
export interface Layout {
  readonly name: string;
  /** Bytes from one record to the next; a multiple of 8. */
  readonly stride: number;
  readonly fields: Readonly<Record<string, Field>>;
}

type ScalarField<L extends Layout> = {
  [F in keyof L['fields']]: L['fields'][F]['type'] extends 'bytes' ? never : F;
}[keyof L['fields']];
type BytesField<L extends Layout> = {
  [F in keyof L['fields']]: L['fields'][F]['type'] extends 'bytes' ? F : never;
}[keyof L['fields']];

/**
 * A batch of kernel records, borrowed: valid until the handler it was given to returns. Reading allocates nothing but for
 * {@link RecordBatch.bytes}, which makes a view.
 */
export interface RecordBatch<L extends Layout = Layout> {
  readonly layout: L;
  readonly length: number;
  /** Records the kernel dropped since the last batch of this source. */
  readonly lost: number;
  /** One reader per scalar field: `batch.col.reason(row)`. */
  readonly col: { readonly [F in ScalarField<L>]: (row: number) => number };
  /** A view of a byte field, valid as long as the batch. */
  bytes(field: BytesField<L>, row: number): Uint8Array;
  /** The slab itself, for copying whole records. */
  readonly buffer: Uint8Array;
}

/** Keeps the literal type of a layout. Used by generated code. */
export function defineLayout<const L extends Layout>(layout: L): L {
  return layout;
}

/** A batch over `buffer`, `length` records of `layout`. Used by the loader, by replay and by tests. */
export function recordBatch<L extends Layout>(layout: L, buffer: Uint8Array, length: number, lost = 0): RecordBatch<L> {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const stride = layout.stride;
  const col: Record<string, (row: number) => number> = {};
  for (const [name, { offset, type }] of Object.entries(layout.fields)) {
    if (type !== 'bytes') col[name] = reader(view, stride, offset, type);
  }
  return {
    layout,
    length,
    lost,
    col: col as RecordBatch<L>['col'],
    bytes(field, row) {
      const f = layout.fields[field as string]!;
      const start = row * stride + f.offset;
      return buffer.subarray(start, start + f.size);
    },
    buffer,
  };
}

function reader(view: DataView, stride: number, offset: number, type: Exclude<Field['type'], 'bytes'>) {
  switch (type) {
    case 'u8':
      return (row: number) => view.getUint8(row * stride + offset);
    case 'u16':
      return (row: number) => view.getUint16(row * stride + offset, true);
    case 'u32':
      return (row: number) => view.getUint32(row * stride + offset, true);
    case 's32':
      return (row: number) => view.getInt32(row * stride + offset, true);
    case 'u64':
      return (row: number) =>
        view.getUint32(row * stride + offset + 4, true) * 4294967296 + view.getUint32(row * stride + offset, true);
    case 's64':
      return (row: number) =>
        view.getInt32(row * stride + offset + 4, true) * 4294967296 + view.getUint32(row * stride + offset, true);
  }
}
