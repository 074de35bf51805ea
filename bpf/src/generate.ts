import type { Layout } from '@retina/sdk';
import type { ObjectDescription } from './object.ts';

/** The TypeScript module that gives a plugin its object's layouts and constants. */
export function generateModule(source: string, object: ObjectDescription): string {
  const lines = [`// Written by retina-bpf from ${source}. Not to be edited, not committed.`];
  if (object.streams.length + object.tables.length > 0) lines.push("import { defineLayout } from '@retina/sdk';");
  for (const layout of object.streams)
    lines.push('', `/** Records of the stream \`${layout.name}\`. */`, declaration(layout));
  for (const layout of object.tables) {
    lines.push('', `/** Records of the table \`${layout.name}\`: key, then value. */`, declaration(layout));
  }
  lines.push(
    '',
    '/** Constants the host may set before loading: bytes, value unless set, meaning. */',
    'export const constants = {',
  );
  for (const { name, size, value, doc } of object.constants) {
    lines.push(`  ${name}: { size: ${size}, value: ${value}n, doc: ${JSON.stringify(doc)} },`);
  }
  lines.push('} as const;', '');
  return lines.join('\n');
}

function declaration(layout: Layout): string {
  const fields = Object.entries(layout.fields).map(([name, field]) => {
    const semantic = field.semantic === undefined ? '' : `, semantic: '${field.semantic}'`;
    return `    ${name}: { offset: ${field.offset}, type: '${field.type}', size: ${field.size}${semantic} },`;
  });
  return [
    `export const ${camelCase(layout.name)}Layout = defineLayout({`,
    `  name: '${layout.name}',`,
    `  stride: ${layout.stride},`,
    '  fields: {',
    ...fields,
    '  },',
    '});',
  ].join('\n');
}

function camelCase(name: string): string {
  return name.replace(/_+(\w)/g, (_, letter: string) => letter.toUpperCase());
}
