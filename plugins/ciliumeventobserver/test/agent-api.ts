import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An endpoint as the agent's API has it: see test/record. */
export const ENDPOINT: string = readFileSync(new URL('../fixtures/cilium-endpoint.json', import.meta.url), 'utf8');

/** The API of a Cilium agent, as far as endpoints go. */
export class AgentApi implements AsyncDisposable {
  readonly path: string;
  readonly asked: string[] = [];
  private readonly folder = mkdtempSync(join(tmpdir(), 'cilium-'));
  private readonly server: Server;

  private constructor(answer: (response: ServerResponse) => void) {
    this.path = join(this.folder, 'cilium.sock');
    this.server = createServer((request, response) => {
      this.asked.push(`${request.method} ${request.url}`);
      answer(response);
    });
  }

  static async listen(answer: (response: ServerResponse) => void = (r) => void r.end(ENDPOINT)): Promise<AgentApi> {
    const api = new AgentApi(answer);
    await new Promise<void>((resolve) => void api.server.listen(api.path, resolve));
    return api;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => void this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
    rmSync(this.folder, { recursive: true });
  }
}
