import type { Field, Layout } from '@retina/sdk';
import { resolve, type BtfType } from './btf.ts';
import { BuildError } from './errors.ts';

/**
 * How a record of type `id` lies in memory, its first byte at `base`. Members of nested structures are named
 * `outer_inner`; of a union the first member counts; arrays and members called `pad…` are bytes and left out, in this order.
 */
function fieldsOf(types: readonly BtfType[], id: number, base: number, record: string): Record<string, Field> {
  const fields: Record<string, Field> = {};
  const put = (name: string, field: Field) => {
    if (name in fields) {
      throw new BuildError(`Two fields of ${record} have one name`, { found: name, next: 'rename one of them' });
    }
    fields[name] = field;
  };
  const walk = (name: string, typeId: number, offset: number, size: number | undefined): void => {
    const { type, semantic } = resolve(types, typeId);
    const meaning = semantic === undefined ? {} : { semantic };
    const whole = { offset, size: size ?? sizeOf(types, typeId), ...meaning };
    switch (type.kind) {
      case 'struct':
        for (const member of type.members) {
          if (/^pad\d*$/.test(member.name)) continue;
          if (member.bits || member.bitOffset % 8) {
            throw new BuildError(`${record} has a bit field`, {
              found: `${type.name}.${member.name}`,
              needed: 'whole bytes',
              next: 'use a __u8 and masks',
            });
          }
          const inner = [name, member.name].filter(Boolean).join('_');
          walk(inner, member.type, offset + member.bitOffset / 8, undefined);
        }
        return;
      case 'union': {
        const first = type.members[0];
        if (first) walk(name || first.name, first.type, offset, undefined);
        return;
      }
      case 'array':
        put(name, { type: 'bytes', ...whole });
        return;
      case 'pointer':
        put(name, { type: 'u64', ...whole });
        return;
      case 'int':
      case 'enum': {
        const scalar = `${type.signed ? 's' : 'u'}${type.size * 8}`;
        if (!['u8', 'u16', 'u32', 'u64', 's32', 's64'].includes(scalar)) {
          throw new BuildError(`${record} has a field user space cannot read`, {
            found: `${name}: ${type.name}`,
            needed: 'unsigned 8 to 64 bits, or signed 32 or 64',
          });
        }
        put(name, { type: scalar as Field['type'], ...whole });
        return;
      }
      default:
        throw new BuildError(`${record} has a field user space cannot read`, {
          found: `${name}: ${type.kind} ${type.name}`,
        });
    }
  };
  walk('', id, base, undefined);
  return fields;
}

/** Bytes a value of the type takes. */
export function sizeOf(types: readonly BtfType[], id: number): number {
  const { type } = resolve(types, id);
  switch (type.kind) {
    case 'array':
      return type.length * sizeOf(types, type.type);
    case 'pointer':
      return 8;
    case 'int':
    case 'enum':
    case 'struct':
    case 'union':
      return type.size;
    default:
      throw new BuildError('The object has broken type information', {
        found: `a ${type.kind} where a value is needed`,
      });
  }
}

/** The layout of a stream's record. */
export function recordLayout(types: readonly BtfType[], name: string, record: number): Layout {
  return { name, stride: sizeOf(types, record), fields: fieldsOf(types, record, 0, name) };
}

/** The layout of a table's records: the key, then the value. */
export function tableLayout(types: readonly BtfType[], name: string, key: number, value: number): Layout {
  const keySize = sizeOf(types, key);
  const keys = fieldsOf(types, key, 0, name);
  const values = fieldsOf(types, value, keySize, name);
  const both = Object.keys(values).find((field) => field in keys);
  if (both !== undefined) {
    throw new BuildError(`Key and value of ${name} share a field name`, { found: both, next: 'rename one of them' });
  }
  return { name, stride: keySize + sizeOf(types, value), fields: { ...keys, ...values } };
}
