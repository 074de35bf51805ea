import { type ErrorCode, RetinaError, type RetinaErrorOptions } from '@retina/sdk';

/** What a request came to, if not to an object. */
export class KubeError extends RetinaError {
  /** Status code of the answer; 0 where there was none. */
  readonly status: number;
  /** `metav1.Status.reason`: `NotFound`, `Conflict`, `Expired`, `Forbidden` ...; `''` where there was none. */
  readonly reason: string;

  constructor(
    code: ErrorCode,
    summary: string,
    options: RetinaErrorOptions & { readonly status?: number; readonly reason?: string },
  ) {
    super(code, summary, options);
    this.status = options.status ?? 0;
    this.reason = options.reason ?? '';
  }

  /** Whether what was asked for, from that version or with that page's token, is no longer there to be read. */
  get gone(): boolean {
    return this.status === 410;
  }

  /** `thrown` itself if it is one. */
  static of(thrown: unknown, code: ErrorCode, summary: string): KubeError {
    if (thrown instanceof KubeError) return thrown;
    const found = thrown instanceof Error ? thrown.message : String(thrown);
    return new KubeError(code, summary, { found, retryable: true, cause: thrown });
  }
}
