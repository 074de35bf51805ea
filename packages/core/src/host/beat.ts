/**
 * Calls `task` at every multiple of `ms` of the kernel's monotonic clock, until the returned function is called. The native
 * thread keeps the same time, so all that goes at one pace is done in one wake-up: on a node at rest waking is what costs.
 * A turn that comes too late is left out; the first one may come at once.
 */
export function onTheBeat(ms: number, task: () => void): () => void {
  let timer: NodeJS.Timeout;
  let next = 0;
  const arm = () => {
    const now = monotonicMs();
    next = Math.max(next + ms, Math.floor(now / ms + 1) * ms);
    timer = setTimeout(turn, Math.ceil(next - now));
  };
  const turn = () => {
    arm();
    task();
  };
  next = Math.floor(monotonicMs() / ms) * ms;
  arm();
  return () => clearTimeout(timer);
}

function monotonicMs(): number {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1000 + nanos / 1e6;
}
