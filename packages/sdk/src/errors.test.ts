import { expect, test } from 'vitest';
import { ERROR_CODES, RetinaError } from './errors.ts';

test('an error says what was found, what was needed and what to do next, and keeps what is long apart', () => {
  const cause = new Error('EPERM');
  const error = new RetinaError('RETINA_LOAD_FAILED', 'the map cannot be created', {
    found: 'EPERM',
    needed: 'CAP_BPF',
    next: 'run as root',
    detail: 'a long log',
    cause,
  });
  expect(error.message).toBe('the map cannot be created; found: EPERM; needed: CAP_BPF; next: run as root');
  expect(error).toMatchObject({ code: 'RETINA_LOAD_FAILED', retryable: false, detail: 'a long log', cause });
  expect(error).toBeInstanceOf(Error);
});

test('an error of ours passes unchanged; any other becomes the cause', () => {
  const ours = new RetinaError('RETINA_CLOSED', 'closed');
  expect(RetinaError.from(ours, 'RETINA_SETUP_FAILED', 'x')).toBe(ours);
  const theirs = RetinaError.from(new TypeError('bad'), 'RETINA_SETUP_FAILED', 'setup threw');
  expect(theirs).toMatchObject({ code: 'RETINA_SETUP_FAILED', message: 'setup threw; found: bad' });
  expect(theirs.cause).toBeInstanceOf(TypeError);
  expect(RetinaError.from('text', 'RETINA_CLOSED', 'x').found).toBe('text');
});

test('codes are spelled alike and each says what it means', () => {
  for (const [code, meaning] of Object.entries(ERROR_CODES)) {
    expect(code).toMatch(/^RETINA_[A-Z]+(_[A-Z]+)*$/);
    expect(meaning).toMatch(/^[A-Z].*\.$/);
  }
});
