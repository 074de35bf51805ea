import { httpFailure, RetinaError } from '@retina/sdk';

/** What the Azure libraries throw, as far as it says what happened. */
interface AzureError {
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly statusCode?: number;
  readonly response?: {
    readonly headers: { get(name: string): string | undefined };
    readonly bodyAsText?: string | null;
  };
}

const TOO_LATE = 439; // the daily cap of Application Insights, in its own terms

/** A status that is not success, as an error the host understands. */
export function statusFailure(
  receiver: string,
  status: number,
  retryAfter: string | undefined,
  body: string,
): RetinaError {
  if (status === 402 || status === TOO_LATE) {
    return new RetinaError('RETINA_EXPORT_REFUSED', `${receiver} has reached its daily cap`, {
      found: `status ${status}`,
      next: 'raise the cap of the resource, or send less: metricRelabelConfigs, flowRelabelConfigs, filters',
    });
  }
  // A token may have been withdrawn, or the clock may be wrong: the next call asks for a fresh one.
  if (status === 401) {
    return new RetinaError('RETINA_EXPORT_RETRY', `${receiver} does not accept the token`, {
      found: `status 401: ${body.slice(0, 200)}`,
      next: 'check the audience, the clock of this node, and that the resource takes tokens of this tenant',
      retryable: true,
    });
  }
  const failure = httpFailure(receiver, { status, retryAfter, body });
  if (status !== 403) return failure;
  return new RetinaError('RETINA_EXPORT_REFUSED', failure.summary, {
    ...(failure.found !== undefined && { found: failure.found }),
    needed: 'the role "Monitoring Metrics Publisher" on the resource or data collection rule',
    next: 'assign it to the identity; it takes up to 30 minutes to hold',
  });
}

/** Any error of a call as one the host understands. An aborted call rejects with the signal's own reason. */
export function failureOf(receiver: string, error: unknown, abort: AbortSignal): unknown {
  if (abort.aborted || error instanceof RetinaError) return error;
  const { name, message = '', code, statusCode, response } = error as AzureError;
  if (/Authentication|Credential/.test(name ?? '')) return tokenFailure(error as AzureError);
  if (statusCode !== undefined) {
    return statusFailure(receiver, statusCode, response?.headers.get('retry-after'), response?.bodyAsText ?? message);
  }
  const late = name === 'AbortError' || name === 'TimeoutError';
  return new RetinaError('RETINA_EXPORT_RETRY', `${receiver} does not answer`, {
    found: late ? 'no answer in time' : [code, message].filter(Boolean).join(': ').slice(0, 300),
    next: late
      ? 'look at the network, or raise timeoutMs'
      : /certificate|self.signed|ALTNAME|CERT_/i.test(`${code} ${message}`)
        ? 'give the certificate of your proxy or private link as ca'
        : 'check the endpoint, the DNS and the way out of the cluster',
    retryable: true,
    cause: error,
  });
}

/** No token: what the authority says stays so (AADSTS…) unless it did not answer. */
function tokenFailure(error: AzureError): RetinaError {
  const words = (error.message ?? '').replace(/\s+/g, ' ').slice(0, 400);
  const told = /AADSTS\d+/.exec(words)?.[0];
  const unavailable = error.statusCode === undefined || error.statusCode >= 429;
  return new RetinaError('RETINA_EXPORT_RETRY', 'no token for Azure Monitor', {
    found: words,
    next: told
      ? `look up ${told}: the client id, the tenant or the federated credential are not right`
      : unavailable
        ? 'check that the identity endpoint can be reached from this pod'
        : 'check the identity of this pod',
    retryable: true,
    cause: error,
  });
}
