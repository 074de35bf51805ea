import { RetinaError } from '@retina/sdk';
import type { Credentials } from './credentials.ts';

export type Signal = 'metrics' | 'logs';

/** Largest answer that is read. */
export const LONGEST_ANSWER = 64 * 1024;

/** Sends requests to a receiver. It does not retry: the host does, and knows what waits behind. */
export interface Transport {
  /**
   * Resolves with the answer's bytes; rejects with RETINA_EXPORT_RETRY for what may pass and RETINA_EXPORT_REFUSED for what will not.
   * A request may take the configuration's `timeoutMs`.
   */
  send(signal: Signal, body: Uint8Array, credentials: Credentials, abort: AbortSignal): Promise<Uint8Array>;
  close(): void;
}

/** No answer, or none that can be used: the connection failed, broke or took too long. */
export function unreachable(receiver: string, found: string, next: string, cause?: unknown): RetinaError {
  return new RetinaError('RETINA_EXPORT_RETRY', `${receiver} does not answer`, { found, next, retryable: true, cause });
}

/** What to do about an error of the network or of TLS. */
export function adviceFor(error: string): string {
  if (/EPROTO|wrong version|SSL|handshake|alert/i.test(error)) {
    return 'check that the receiver speaks TLS on this port, and that it trusts the client certificate (tls.cert)';
  }
  if (/certificate|self.signed|ALTNAME|UNABLE_TO|CERT_/i.test(error)) {
    return "check tls.ca and tls.serverName against the server's certificate";
  }
  if (/ENOTFOUND|EAI_AGAIN|Name resolution/i.test(error)) return "check the endpoint's name and the DNS";
  if (/ECONNREFUSED/.test(error)) return 'check that the receiver listens on this port';
  return 'check the network between here and the receiver';
}
