import { RetinaError } from './errors.ts';

/** What of an HTTP answer decides whether it is worth trying again. */
export interface HttpAnswer {
  readonly status: number;
  /** The `Retry-After` header as it came: seconds or an HTTP date. */
  readonly retryAfter?: string | null | undefined;
  /** The beginning of the answer's body: the receiver's own words. Cut and cleaned here. */
  readonly body?: string | undefined;
}

/** Statuses that pass: too early, too many, and a server or gateway in trouble. 500 is what many receivers say when overloaded. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504, 507, 509, 529]);
/** No receiver is believed that asks for longer. */
const LONGEST_MS = 3_600_000;
const WORDS = 300;

/**
 * The error to throw for an HTTP answer that is not 2xx: RETINA_EXPORT_RETRY with `retryAfterMs` for what passes (408, 425, 429, most of
 * 5xx), RETINA_EXPORT_REFUSED for the rest (other 4xx, redirects). `receiver` names it without secrets: `https://host/path`, no query.
 */
export function httpFailure(receiver: string, answer: HttpAnswer, now = Date.now()): RetinaError {
  const { status } = answer;
  const words = clean(answer.body);
  const found = `status ${status}${words && `: ${words}`}`;
  if (PASSING.has(status)) {
    const retryAfterMs = parseRetryAfter(answer.retryAfter, now);
    return new RetinaError('RETINA_EXPORT_RETRY', `${receiver} cannot take it now`, {
      found,
      retryable: true,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    });
  }
  return new RetinaError('RETINA_EXPORT_REFUSED', `${receiver} refuses what is sent`, {
    found,
    needed: 'status 2xx',
    next:
      status === 401 || status === 403
        ? 'check the credentials and what they may do'
        : status === 404 || (status >= 300 && status < 400)
          ? 'check the address'
          : 'look at what the receiver says, and at its limits',
  });
}

/** Milliseconds that a `Retry-After` header asks for, at most an hour; undefined if it says nothing that can be understood. */
export function parseRetryAfter(header: string | null | undefined, now = Date.now()): number | undefined {
  const text = header?.trim();
  if (!text) return undefined;
  const seconds = /^\d+(\.\d+)?$/.test(text);
  if (!seconds && !/^[A-Z][a-z]{2,8},? /.test(text)) return undefined; // Date.parse reads much that is no date
  const ms = seconds ? Number(text) * 1000 : Date.parse(text) - now;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), LONGEST_MS);
}

function clean(body: string | undefined): string {
  if (!body) return '';
  // A receiver's answer must not write to a terminal.
  const line = body.slice(0, WORDS * 2).replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, ' ').trim(); // prettier-ignore
  return line.length > WORDS ? `${line.slice(0, WORDS)}…`.toWellFormed() : line;
}
