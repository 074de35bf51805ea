// Runs inside the node's namespace and does with the loader what the host does, and nothing else: loads objects, attaches
// them to one hook, drains flows. Asked by lines of JSON on standard input, answers by lines on standard output.
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import * as loader from '@retina/loader';
import type { LoadedFlowSource, LoadedObject, TapLink } from '@retina/loader';
import type { Answer, Request } from './worker-types.ts';

interface Loaded {
  readonly object: LoadedObject;
  readonly flows: LoadedFlowSource | undefined;
  readonly links: TapLink[];
}

const loaded = new Map<string, Loaded>();

async function answer(request: Request): Promise<Answer> {
  if (request.op === 'load') {
    const object = await loader.openObject(pathToFileURL(request.file)).load();
    const flows = request.flows ? object.flows({}, () => undefined) : undefined;
    loaded.set(request.object, { object, flows, links: [] });
    return {};
  }
  const { object, flows, links } = loaded.get(request.object)!;
  switch (request.op) {
    case 'attach':
      links.push(await object.attachTap(request.program, request.ifindex, request.direction));
      return {};
    case 'swap':
      for (const link of loaded.get(request.link)!.links) link.update(object.program(request.program));
      return {};
    case 'stats':
      return { program: object.program(request.program).stats() };
    case 'flowStats':
      await flows?.flush();
      return { flows: flows!.stats() };
    case 'close':
      for (const link of links) link[Symbol.dispose]();
      flows?.[Symbol.dispose]();
      object[Symbol.dispose]();
      loaded.delete(request.object);
      return {};
  }
}

const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);

say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  try {
    say(await answer(JSON.parse(line) as Request));
  } catch (error) {
    say({ error: error instanceof Error ? error.message : String(error) });
  }
}
