// Reads charts/retina/values.yaml with its comments: one entry per key, in order.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { ROOT } from '../lib/paths.mjs';

// The parser that the agent uses; the tools have no dependencies of their own.
const { isMap, isScalar, parseDocument } = createRequire(join(ROOT, 'packages', 'core', 'package.json'))('yaml');

/**
 * @typedef {{path: string[], value: unknown, comment: string, any: boolean, none: boolean, children?: Entry[]}} Entry
 * `any`: not looked into; `none`: without effect; `children`: the keys of a map that is looked into.
 */

/** @returns {Entry[]} */
export function readValues(file) {
  return entries(parseDocument(readFileSync(file, 'utf8')).contents, []);
}

function entries(map, above) {
  return map.items.map(({ key, value }, i) => {
    const path = [...above, key.value];
    // The first key's comment hangs on the map itself.
    const text = ((i === 0 && map.commentBefore) || key.commentBefore || '').split(/\n\s*\n/).at(-1);
    const lines = text.split('\n').map((line) => line.trim()).filter((line) => line && !line.startsWith('---')); // prettier-ignore
    const comment = lines.join(' ');
    const any = comment.includes('@any');
    const none = comment.includes('@none');
    const open = isMap(value) && value.items.length > 0 && !any;
    return {
      path,
      value: isScalar(value) ? value.value : value.toJSON(),
      comment: comment.replace(/@(any|none)\s*/g, '').trim(),
      any,
      none,
      ...(open && { children: entries(value, path) }),
    };
  });
}
