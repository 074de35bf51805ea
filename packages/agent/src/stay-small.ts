// Imported first of all: an agent lives beside what it observes, so it stays small. The young generation is not let grow
// (what is allocated per batch dies at once, so a small one is collected as fast), the old one is kept tight, and freed
// memory goes back to the system. Together 40 MiB at 100 000 flows, for which scrapes cost
// more CPU time: `npm run bench` shows both. Once it runs, pages of the program that only starting needed are let go.
import { setFlagsFromString } from 'node:v8';
import { returnMemory } from '@retina/loader';

setFlagsFromString('--semi-space-growth-factor=1');
setFlagsFromString('--optimize-for-size');
const STARTED_MS = 10_000;
try {
  returnMemory();
  setTimeout(returnMemory, STARTED_MS).unref();
} catch {
  // Without the native loader there is little to give back; the host says that it is missing.
}
