import { fileURLToPath } from 'node:url';
import type { Namespace, Running } from '@retina/testkit';
import type { Answer, Request } from './worker-types.ts';

/** The worker in a namespace; see `worker.ts`. */
export class Worker implements AsyncDisposable {
  private readonly running: Running;
  private seen = 0;

  private constructor(running: Running) {
    this.running = running;
  }

  static async start(where: Namespace): Promise<Worker> {
    const file = fileURLToPath(new URL('worker.ts', import.meta.url));
    const worker = new Worker(where.spawn(process.execPath, ['--conditions=@retina/source', file]));
    await worker.line();
    return worker;
  }

  async ask(request: Request): Promise<Answer> {
    this.running.process.stdin!.write(`${JSON.stringify(request)}\n`);
    const answer = await this.line();
    if (answer.error) throw new Error(`${request.op}: ${answer.error}`);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.running.process.stdin!.end();
    await this.running[Symbol.asyncDispose]();
  }

  private async line(): Promise<Answer> {
    const wanted = ++this.seen;
    await this.running.output(new RegExp(`^(?:.*\\n){${wanted}}`), 30_000);
    return JSON.parse(this.running.stdout.split('\n')[wanted - 1]!) as Answer;
  }
}
