import { once } from 'node:events';
import { Agent as HttpAgent, type IncomingMessage, request as http } from 'node:http';
import { Agent as HttpsAgent, request as https } from 'node:https';
import { httpFailure, RetinaError } from '@retina/sdk';

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

  /**
   * Throws RETINA_EXPORT_RETRY where trying again may help (the host does, with growing pauses), RETINA_EXPORT_REFUSED where it never
   * will. `signal` ends it early.
   */
  async deliver(body: string, signal: AbortSignal): Promise<void> {
    const send = this.url.protocol === 'https:' ? https : http;
    let response: IncomingMessage;
    try {
      const sent = send(this.url, { method: 'POST', agent: this.agent, headers: this.headers, signal });
      sent.on('error', () => undefined).end(body); // also once nobody waits for the answer any more
      [response] = (await once(sent, 'response', { signal })) as [IncomingMessage];
    } catch (cause) {
      throw new RetinaError('RETINA_EXPORT_RETRY', `${this.url.host} does not answer`, {
        found: cause instanceof Error ? cause.message : String(cause),
        retryable: true,
        cause,
      });
    }
    const { statusCode: status = 0, headers } = response.resume().on('error', () => undefined);
    if (status >= 200 && status <= 299) return;
    response.destroy(); // an answer without end must not be read
    throw httpFailure(this.url.host, { status, retryAfter: headers['retry-after'] });
  }

  [Symbol.dispose](): void {
    this.agent.destroy();
  }
}
