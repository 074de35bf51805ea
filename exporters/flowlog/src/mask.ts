interface Node {
  readonly [member: string]: Node | true;
}

/** Keeps the members that are named, in the order they have; a member in an array is looked for in each of its elements. */
export function mask(paths: readonly string[]): (value: object) => object {
  if (paths.length === 0) return (value) => value;
  const tree: Record<string, Node | true> = {};
  for (const path of paths) plant(tree, path.split('.'));
  return (value) => pick(value, tree);
}

function plant(tree: Record<string, Node | true>, [first, ...more]: readonly string[]): void {
  if (first === undefined || tree[first] === true) return;
  if (more.length === 0) tree[first] = true;
  else plant((tree[first] ??= {}) as Record<string, Node | true>, more);
}

function pick(value: object, tree: Node): object {
  if (Array.isArray(value)) return value.map((one: unknown) => (isObject(one) ? pick(one, tree) : one));
  const kept: Record<string, unknown> = {};
  for (const [member, inner] of Object.entries(value)) {
    const below = Object.hasOwn(tree, member) ? tree[member] : undefined;
    if (below === true) kept[member] = inner;
    else if (below && isObject(inner)) kept[member] = pick(inner, below);
  }
  return kept;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
