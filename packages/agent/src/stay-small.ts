// Imported first of all: an agent lives beside what it observes, so it stays small. The young generation is not let grow
// (what is allocated per batch dies at once, so a small one is collected as fast), the old one grows by a tenth before it is
// collected again, and freed memory goes back to the system. --optimize-for-size saves as much, but has every full collection
// move up to 12 MiB of objects at once: pauses of 20 to 40 ms with 10 000 pods, where these took 15 at most. Once it runs, pages of
// the program that only starting needed are let go.
import { setFlagsFromString } from 'node:v8';
import { returnMemory } from '@retina/loader';

setFlagsFromString('--semi-space-growth-factor=1');
setFlagsFromString('--heap-growing-percent=10');
const STARTED_MS = 10_000;
try {
  returnMemory();
  setTimeout(returnMemory, STARTED_MS).unref();
} catch {
  // Without the native loader there is little to give back; the host says that it is missing.
}
