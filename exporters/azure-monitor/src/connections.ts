import { Agent as HttpsAgent } from 'node:https';
import type { PipelinePolicy } from '@azure/core-rest-pipeline';

/**
 * The connections of one exporter. The libraries keep theirs for ever and tell nobody; these end with the exporter. Requests that go by
 * a proxy have the proxy's own.
 */
export class Connections implements Disposable {
  /** Last of a pipeline's policies, once a proxy has been decided about. */
  readonly policy: PipelinePolicy;
  private readonly agent: HttpsAgent;

  constructor(ca: string | undefined) {
    const agent = new HttpsAgent({ keepAlive: true, maxSockets: 2, ...(ca !== undefined && { ca }) });
    this.agent = agent;
    this.policy = {
      name: 'retinaConnections',
      sendRequest: (request, next) => {
        if (new URL(request.url).protocol !== 'https:') request.disableKeepAlive = true;
        else request.agent ??= agent;
        return next(request);
      },
    };
  }

  [Symbol.dispose](): void {
    this.agent.destroy();
  }
}
