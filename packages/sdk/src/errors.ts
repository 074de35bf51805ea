/**
 * Every error Retina raises on purpose has a code from this table. The text says what the code means; an error's own
 * message adds what was found, what was needed and what to do next.
 */
export const ERROR_CODES = {
  RETINA_CONFIG_INVALID: 'The configuration has mistakes; each is listed with its path.',
  RETINA_PLUGIN_NOT_FOUND: 'A plugin or exporter named in the configuration cannot be imported.',
  RETINA_PLUGIN_INVALID: 'A module was found, but its default export is no plugin or exporter this host can run.',
  RETINA_API_MISMATCH: 'A plugin or exporter was written for another version of the contract.',
  RETINA_METRIC_INVALID: 'A metric declaration breaks a rule or collides with another one.',
  RETINA_CAPABILITY_MISSING: 'The process lacks a Linux capability that is needed.',
  RETINA_KERNEL_UNSUPPORTED: 'The running kernel lacks a feature that is needed.',
  RETINA_BTF_MISSING: 'The running kernel publishes no type information (BTF).',
  RETINA_OBJECT_INVALID: 'A BPF object file cannot be read or is not what the caller expected.',
  RETINA_VERIFIER_REJECTED: "The kernel's verifier refused a program; the whole log is attached.",
  RETINA_LOAD_FAILED: 'The kernel refused to create a map or load a program.',
  RETINA_ATTACH_FAILED: 'The kernel refused to attach a program.',
  RETINA_RUN_FAILED: 'The kernel refused to run a program for a test.',
  RETINA_MAP_FAILED: 'An operation on a BPF map failed.',
  RETINA_NETLINK_FAILED: 'A netlink request or subscription failed.',
  RETINA_CLOSED: 'The object was used after it was closed.',
  RETINA_NATIVE_MISSING: 'The native loader is not built or does not fit this machine.',
  RETINA_SETUP_TIMEOUT: 'A plugin or exporter did not finish setting up in time.',
  RETINA_SETUP_FAILED: 'A plugin or exporter threw while setting up.',
  RETINA_HANDLER_FAILED: "A plugin's or exporter's handler threw repeatedly.",
  RETINA_HANDLER_SLOW: "A plugin's or exporter's handler exceeded its time budget repeatedly.",
  RETINA_EXPORT_FAILED: 'An exporter could not deliver.',
  RETINA_EXPORT_REFUSED: 'A receiver refused what an exporter sent, and would again: it is lost and not sent again.',
  RETINA_EXPORT_RETRY: 'A receiver cannot take what an exporter sent now, but may later.',
  RETINA_EXPORT_TIMEOUT: 'A receiver did not answer an exporter in time.',
  RETINA_LISTEN_FAILED: 'An address to serve on cannot be bound.',
  RETINA_AGENT_UNREACHABLE: 'No running agent answers on the local socket.',
  RETINA_SOURCE_UNREACHABLE: 'What a plugin reads from (a socket, a file) is not there, or does not answer.',
  RETINA_REQUEST_INVALID: 'A request to the local API or an argument of a command is not understood.',
  RETINA_DEMO_FAILED: 'The demonstration world could not be set up.',
  RETINA_KUBE_CONFIG: 'The kubeconfig or the service account cannot be used.',
  RETINA_KUBE_UNREACHABLE: 'The Kubernetes API server does not answer, or its answer broke off.',
  RETINA_KUBE_REFUSED: 'The Kubernetes API server refused a request.',
  RETINA_IDENTITY_INVALID: 'An identity source (a file, say) has mistakes.',
} as const;

/** A code of {@link ERROR_CODES}: stable, for machines to go by. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What an error says beside its summary: texts of a few words, shown to whoever has to mend it. */
export interface RetinaErrorOptions {
  /** What was seen, as precisely as known. */
  readonly found?: string;
  /** What would have been right. */
  readonly needed?: string;
  /** What the reader can do now: a command, a setting, a version. */
  readonly next?: string;
  /** Whether trying again later may help. Default false. */
  readonly retryable?: boolean;
  /** With `retryable`: milliseconds to wait at least, as the other side asked (Retry-After). */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
  /** Anything long: a verifier log, a list of problems. Never part of `message`. */
  readonly detail?: string;
}

/** The one error class. `message` is a full sentence that includes found, needed and next. */
export class RetinaError extends Error {
  override readonly name = 'RetinaError';
  readonly code: ErrorCode;
  /** The message without found, needed and next. */
  readonly summary: string;
  readonly found: string | undefined;
  readonly needed: string | undefined;
  readonly next: string | undefined;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly detail: string | undefined;

  constructor(code: ErrorCode, summary: string, options: RetinaErrorOptions = {}) {
    const parts = [summary];
    if (options.found) parts.push(`found: ${options.found}`);
    if (options.needed) parts.push(`needed: ${options.needed}`);
    if (options.next) parts.push(`next: ${options.next}`);
    super(parts.join('; '), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.summary = summary;
    this.found = options.found;
    this.needed = options.needed;
    this.next = options.next;
    this.retryable = options.retryable ?? false;
    this.retryAfterMs = options.retryAfterMs;
    this.detail = options.detail;
  }

  /** `error` itself if it is a RetinaError, else one with `code` that has it as its cause. */
  static from(error: unknown, code: ErrorCode, summary: string): RetinaError {
    if (error instanceof RetinaError) return error;
    const found = error instanceof Error ? error.message : String(error);
    return new RetinaError(code, summary, { found, cause: error });
  }
}
