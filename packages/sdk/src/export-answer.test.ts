import { expect, test } from 'vitest';
import { httpFailure, parseRetryAfter } from './export-answer.ts';

test('an answer says whether to try again, after how long, and what the receiver said', () => {
  const now = Date.parse('2026-01-01T00:00:00Z');
  const busy = httpFailure('https://r/v1', { status: 429, retryAfter: '7', body: 'slow\u001b[2J\n down' }, now);
  expect([busy.code, busy.retryable, busy.retryAfterMs, busy.found]).toEqual([
    'RETINA_EXPORT_RETRY', true, 7000, 'status 429: slow [2J down',
  ]); // prettier-ignore
  expect(httpFailure('r', { status: 503, retryAfter: 'Thu, 01 Jan 2026 00:01:00 GMT' }, now).retryAfterMs).toBe(60_000);
  for (const status of [301, 400, 401, 404, 413, 501]) {
    const refused = httpFailure('r', { status, body: 'x'.repeat(10_000) }, now);
    expect([refused.code, refused.retryable]).toEqual(['RETINA_EXPORT_REFUSED', false]);
    expect(refused.message.length).toBeLessThan(600);
  }
});

test('a Retry-After that lies is no order', () => {
  expect(['', '-5', 'soon', '1e9', null, undefined].map((text) => parseRetryAfter(text, 0))).toEqual(
    Array.from({ length: 6 }, () => undefined),
  );
  expect(parseRetryAfter('99999999999')).toBe(3_600_000);
  expect(parseRetryAfter('Thu, 01 Jan 1970 00:00:00 GMT')).toBe(0);
});
