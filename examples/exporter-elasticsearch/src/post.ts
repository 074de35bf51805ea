import { Agent as HttpAgent, request as http, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as https } from 'node:https';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

const compress = promisify(gzip);

export interface Answer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

/** Connections to one receiver, kept between calls. */
export class Connection implements Disposable {
  private readonly url: URL;
  private readonly agent: HttpAgent;
  private readonly maxAnswer: number;

  /** Of an answer no more than `maxAnswer` bytes are read: a receiver may be anything. */
  constructor(url: URL, maxAnswer = 4 * 1024 * 1024) {
    this.url = url;
    this.agent = url.protocol === 'https:' ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
    this.maxAnswer = maxAnswer;
  }

  [Symbol.dispose](): void {
    this.agent.destroy();
  }

  /** Sends a body, compressed. Rejects where there is no answer; redirects are answers. */
  async post(body: string, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Answer> {
    const payload = await compress(body, { level: 1 });
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = (this.url.protocol === 'https:' ? https : http)(this.url, {
        method: 'POST',
        agent: this.agent,
        signal,
        headers: { ...headers, 'content-encoding': 'gzip', 'content-length': payload.length },
      });
      request.on('response', resolve).on('error', reject);
      request.end(payload);
    });
    return { status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], body: await this.text(response) };
  } // prettier-ignore

  private async text(response: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      if ((size += chunk.length) <= this.maxAnswer) continue;
      response.destroy();
      break;
    }
    return Buffer.concat(chunks).toString('utf8', 0, this.maxAnswer);
  }
}
