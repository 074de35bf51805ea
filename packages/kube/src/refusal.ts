import { KubeError } from './kube-error.ts';

interface Status {
  readonly message?: unknown;
  readonly reason?: unknown;
  readonly code?: unknown;
  readonly details?: { readonly retryAfterSeconds?: unknown; readonly causes?: unknown };
}

/** What the user of each refusal can do. */
const NEXT: Readonly<Record<number, string>> = {
  401: 'check that the token or certificate is one of this cluster and has not ended, and that clocks agree',
  403: 'grant the verb in a Role or ClusterRole that is bound to this user; kubectl auth can-i VERB RESOURCE --as USER tells',
  404: 'check that the namespace exists and, for a custom resource, that its definition is installed',
  409: 'read the object again and repeat',
  413: 'send less',
  422: 'correct the fields named',
  429: 'wait: the server is busy',
};

const MAX_RETRY_AFTER_MS = 60_000;

/** `metav1.Status`, from an answer's body or an ERROR event of a watch, as an error. */
export function refusal(what: string, body: unknown, code?: number, retryAfter?: string): KubeError {
  const status = (typeof body === 'object' && body !== null ? body : {}) as Status;
  const number = code ?? (typeof status.code === 'number' ? status.code : 0);
  const reason = typeof status.reason === 'string' ? status.reason : '';
  const message = typeof status.message === 'string' ? status.message : typeof body === 'string' ? body.trim() : '';
  const retryAfterMs = waitOf(retryAfter ?? status.details?.retryAfterSeconds);
  return new KubeError('RETINA_KUBE_REFUSED', `The API server refused to ${what}`, {
    found: `${number}${reason && ` ${reason}`}${message && `: ${message.slice(0, 2000)}`}`,
    ...(NEXT[number] ? { next: NEXT[number] } : {}),
    status: number,
    reason,
    retryable: number === 429 || number >= 500,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** Seconds, as a header or a number; what is no such thing is left out, what is too long is cut. */
function waitOf(value: unknown): number | undefined {
  const seconds = typeof value === 'string' ? Number(value) : value;
  if (typeof seconds !== 'number' || !(seconds >= 0)) return undefined;
  return Math.min(seconds * 1000, MAX_RETRY_AFTER_MS);
}

/** A connection that was not made, or broke. */
export function unreachable(what: string, server: string, error: unknown): KubeError {
  if (error instanceof KubeError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new KubeError('RETINA_KUBE_UNREACHABLE', `The API server at ${server} cannot be asked to ${what}`, {
    found: message || code || String(error),
    next: nextFor(code ?? ''),
    retryable: true,
    cause: error,
  });
}

function nextFor(code: string): string {
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return "renew the certificate, or set this machine's clock";
  if (/CERT|SIGNATURE|SSL|TLS/.test(code))
    return 'check the certificate authority, and the name the certificate is for';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'check the name of the server, and DNS';
  return 'check that the server runs and that its address is reached from here';
}
