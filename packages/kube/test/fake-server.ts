import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

/** An answer to one request: its text, or what to do with it. */
export type Answer = string | ((response: ServerResponse, request: IncomingMessage) => void);

/** What a real API server cannot be made to do. Answers come in the order given; the last one again and again. */
export class FakeServer {
  /** `GET /path?query` of every request. */
  readonly asked: string[] = [];
  readonly #server: Server;
  #answers: Answer[];

  constructor(answers: readonly Answer[]) {
    this.#answers = [...answers];
    this.#server = createServer((request, response) => {
      this.asked.push(`${request.method} ${request.url}`);
      const answer = this.#answers.length > 1 ? this.#answers.shift()! : this.#answers[0]!;
      if (typeof answer === 'string') response.end(answer);
      else answer(response, request);
    });
  }

  /** Its address. */
  listen(): Promise<string> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () =>
        resolve(`http://127.0.0.1:${(this.#server.address() as { port: number }).port}`),
      );
    });
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
