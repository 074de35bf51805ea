import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';

const SETTLE_MS = 200;

/**
 * Calls `reload` when the text of `file` has changed, however it was changed: written in place, replaced by rename, or
 * swapped behind symlinks as Kubernetes does with a ConfigMap's volume. Bursts count once; calls never overlap.
 */
export function watchFile(file: string, reload: () => Promise<void>): Disposable {
  let text = '';
  let timer: NodeJS.Timeout | undefined;
  let work = readFile(file, 'utf8').then((now) => void (text = now), ignore);
  const check = async () => {
    const now = await readFile(file, 'utf8').catch(() => undefined);
    if (now === undefined || now === text) return; // between two renames there may be none
    text = now;
    await reload();
  };
  const watcher = watch(dirname(file), { persistent: false }, () => {
    clearTimeout(timer);
    timer = setTimeout(() => (work = work.then(check).catch(ignore)), SETTLE_MS);
  });
  watcher.on('error', ignore); // the folder has gone; SIGHUP still works
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      watcher.close();
    },
  };
}

const ignore = () => {};
