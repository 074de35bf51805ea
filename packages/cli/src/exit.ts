/** 0 done · 1 failed · 2 the arguments or the configuration are wrong */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;
