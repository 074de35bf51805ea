import type { Logger } from '@retina/sdk';
import type { Level, Logger as PinoLogger } from 'pino';

const KEPT_NOTICES = 50;
const RANK: Readonly<Record<string, number>> = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 };

interface Notice {
  readonly level: string;
  readonly text: string;
}

export interface AgentLog extends Logger {
  setLevel(level: string): void;
  /** Warnings and errors so far, the latest 50, oldest first. Empty where they are written out. */
  readonly notices: readonly Notice[];
}

/** JSON lines on standard output, as soon as they are written: what a pipe, journald or a container runtime gets. */
export async function jsonLog(level: string, base: Readonly<Record<string, unknown>>): Promise<AgentLog> {
  const { pino, stdSerializers, stdTimeFunctions, destination } = await import('pino');
  const options = {
    level,
    base,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: stdSerializers.err }, // texts pass as they are
  };
  const logger: PinoLogger = pino(options, destination({ fd: 1, sync: true }));
  const at =
    (name: Level) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) =>
      logger[name](fields, message);
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    setLevel: (next) => {
      logger.level = next;
    },
    notices: [],
  };
}

/** The first line of a value as text. */
function short(value: unknown): string {
  const text = value instanceof Error ? String(value) : typeof value === 'string' ? value : JSON.stringify(value);
  return (text ?? '').split('\n', 1)[0]!;
}

/** Keeps warnings and errors for the live screen, which owns the terminal. */
export function screenLog(level: string): AgentLog {
  const notices: Notice[] = [];
  let least = Math.max(RANK[level] ?? 30, RANK['warn']!);
  const at =
    (name: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      if (RANK[name]! < least) return;
      const details = Object.entries(fields).map(([key, value]) => `${key}=${short(value)}`);
      const text = [new Date().toISOString().slice(11, 19), name, message, ...details].join(' ');
      notices.push({ level: name, text });
      if (notices.length > KEPT_NOTICES) notices.shift();
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    setLevel: (next) => {
      least = Math.max(RANK[next] ?? 30, RANK['warn']!);
    },
    notices,
  };
}
