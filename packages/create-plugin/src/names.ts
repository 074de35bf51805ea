import { RetinaError } from '@retina/sdk';

/** What a new package is called, in all the places where it has a name. */
export interface Names {
  /** Its name in states and metrics: `my-probe`. */
  readonly name: string;
  /** As a word of a metric or of C: `my_probe`. */
  readonly word: string;
  /** On the registry: `@acme/retina-plugin-my-probe`. */
  readonly packageName: string;
}

const MAX_LENGTH = 60;

/** Takes `my-probe`, `@acme/my-probe` and full package names. Throws RETINA_REQUEST_INVALID. */
export function namesOf(given: string, kind: 'plugin' | 'exporter'): Names {
  const [, scope = '', rest = ''] = /^(@[a-z0-9-]+\/)?(.*)$/s.exec(given)!;
  const name = rest.replace(new RegExp(`^retina-${kind}-`), '');
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name) || name.length > MAX_LENGTH) {
    throw new RetinaError('RETINA_REQUEST_INVALID', `a ${kind} cannot have this name`, {
      found: JSON.stringify(given.slice(0, 2 * MAX_LENGTH)),
      needed: `lower case words joined by dashes, ${MAX_LENGTH} letters at most, with or without a scope`,
      next: `npm create @retina/plugin ${kind === 'plugin' ? 'my-probe' : 'my-sink -- --exporter'}`,
    });
  }
  return { name, word: name.replaceAll('-', '_'), packageName: `${scope}retina-${kind}-${name}` };
}
