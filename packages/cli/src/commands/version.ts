import { release } from 'node:os';
import { VERSION } from '../version.ts';
import { write, writeDocument, type Format } from '../output.ts';

/** `retina version` */
export async function version({ output }: { readonly output?: Format }): Promise<void> {
  const document = { retina: VERSION, node: process.versions.node, kernel: release(), arch: process.arch };
  if (output === 'json' || output === 'yaml') return writeDocument(document, output);
  write(`retina ${document.retina} (Node.js ${document.node}, kernel ${document.kernel}, ${document.arch})`);
}
