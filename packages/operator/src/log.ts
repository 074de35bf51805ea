import type { Logger } from '@retina/sdk';
import { destination, pino, stdTimeFunctions } from 'pino';

/** JSON lines on standard output. */
export function jsonLog(level: string, base: Readonly<Record<string, unknown>>): Logger {
  const logger = pino(
    { level, base, timestamp: stdTimeFunctions.isoTime, formatters: { level: (label: string) => ({ level: label }) } },
    destination({ fd: 1, sync: true }),
  );
  const at =
    (name: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) =>
      logger[name](fields, message);
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
