import { once } from 'node:events';
import { Agent as HttpAgent, type IncomingMessage, request as http } from 'node:http';
import { Agent as HttpsAgent, request as https } from 'node:https';
import { RetinaError } from '@retina/sdk';

/** Posts to one URL over connections of its own, which end when it is disposed of. */
export class Receiver implements Disposable {
  private readonly url: URL;
  private readonly headers: Readonly<Record<string, string>>;
  private readonly agent: HttpAgent | HttpsAgent;

  constructor(url: string, token?: string) {
    this.url = new URL(url);
    this.headers = { 'content-type': 'application/x-ndjson', ...(token && { authorization: `Bearer ${token}` }) };
    const options = { keepAlive: true, maxSockets: 1 };
    this.agent = this.url.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /** Throws RETINA_EXPORT_FAILED: `retryable` where trying again may help, so that the host does. `signal` ends it early. */
  async deliver(body: string, signal: AbortSignal): Promise<void> {
    const send = this.url.protocol === 'https:' ? https : http;
    let status: number;
    try {
      const sent = send(this.url, { method: 'POST', agent: this.agent, headers: this.headers, signal });
      sent.on('error', () => undefined).end(body); // also once nobody waits for the answer any more
      const [response] = (await once(sent, 'response', { signal })) as [IncomingMessage];
      response.resume().on('error', () => undefined);
      status = response.statusCode ?? 0;
      if (status < 200 || status > 299) response.destroy(); // an answer without end must not be read
    } catch (cause) {
      const found = cause instanceof Error ? cause.message : String(cause);
      throw new RetinaError('RETINA_EXPORT_FAILED', `${this.url.host} does not answer`, { found, retryable: true, cause });
    } // prettier-ignore
    if (status >= 200 && status <= 299) return;
    throw new RetinaError('RETINA_EXPORT_FAILED', `${this.url.host} refused what it was sent`, {
      found: `status ${status}`,
      needed: 'a status of 200 to 299',
      next: status === 401 || status === 403 ? 'check the option "token"' : 'see the log of the receiver',
      retryable: status === 429 || status >= 500,
    });
  }

  [Symbol.dispose](): void {
    this.agent.destroy();
  }
}
