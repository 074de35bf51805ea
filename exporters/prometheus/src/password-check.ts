import { createHash, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';

/** Answers that are kept: a scraper comes every few seconds with the same password, and a hash is made to be slow. */
const KEPT = 128;
/** Checks that may wait for their turn. */
const WAITING = 16;
/** What the password of a user nobody knows is compared with, so that its answer takes as long. */
const NOBODY = '$2b$10$QLaLTnLiburBSBA3SvSV0Oc/O.cVWLgxq.JDWp6eD0EijF6zvZSCe';
/** Cut after 72 bytes by bcrypt itself; more is nobody's password. */
const LONGEST = 1024;

const CODE = `const { parentPort, workerData } = require('node:worker_threads');
const { compareSync } = require(workerData.module);
let same = false;
try { same = compareSync(workerData.password, workerData.hash); } catch {}
parentPort.postMessage(same);`;

/** Compares passwords with their bcrypt hashes, one at a time and in a thread of its own: each takes about 100 ms of computing. */
export class PasswordCheck {
  private readonly users: ReadonlyMap<string, string>;
  private readonly known = new Map<string, boolean>();
  private readonly salt = randomBytes(16);
  private turn: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  constructor(users: Readonly<Record<string, string>>) {
    this.users = new Map(Object.entries(users));
  }

  /** `busy`: too many others are being checked. */
  async check(user: string, password: string): Promise<boolean | 'busy'> {
    if (password.length > LONGEST || user.length > LONGEST) return false;
    const key = createHash('sha256')
      .update(this.salt)
      .update(JSON.stringify([user, password]))
      .digest('base64');
    const before = this.known.get(key);
    if (before !== undefined) return before;
    if (this.waiting >= WAITING) return 'busy';
    this.waiting++;
    const hash = this.users.get(user);
    const work = this.turn.then(() => this.known.get(key) ?? compare(password, hash ?? NOBODY));
    this.turn = work.catch(() => undefined);
    try {
      const same = (await work) && hash !== undefined;
      if (this.known.size >= KEPT) this.forget();
      this.known.set(key, same);
      return same;
    } finally {
      this.waiting--;
    }
  }

  /** Guesses go first, so that they do not push out who is known. */
  private forget(): void {
    for (const [key, same] of this.known) if (!same) this.known.delete(key);
    if (this.known.size >= KEPT) this.known.clear();
  }
}

async function compare(password: string, hash: string): Promise<boolean> {
  const module = createRequire(import.meta.url).resolve('bcryptjs');
  const worker = new Worker(CODE, { eval: true, workerData: { module, password, hash }, execArgv: [] });
  return new Promise<boolean>((resolve, reject) => {
    worker.once('message', (same) => resolve(same === true));
    worker.once('error', reject);
    worker.once('exit', () => resolve(false));
  });
}
