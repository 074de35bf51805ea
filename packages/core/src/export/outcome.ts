import { RetinaError, type PartialDelivery } from '@retina/sdk';

/** Some of what was sent is lost for good. */
export function partlyRefused(what: string, cause: string | undefined): RetinaError {
  return new RetinaError('RETINA_EXPORT_REFUSED', `the receiver refuses some of the ${what} it is sent`, {
    found: cause ?? 'no reason given',
    next: 'how many is counted in retina_export_lost_records_total and retina_export_refused_points_total',
  });
}

/** Why deliveries fail again and again, or one was given up. */
export function failing(error: RetinaError): RetinaError {
  return new RetinaError('RETINA_EXPORT_FAILED', 'an exporter cannot deliver', {
    found: error.message,
    next: 'what is lost is counted in retina_export_lost_records_total; it goes on trying with what comes',
    retryable: true,
    cause: error,
  });
}

/** A receiver that goes on taking only a part. */
export function partlyTaken(partial: PartialDelivery): RetinaError {
  return new RetinaError('RETINA_EXPORT_RETRY', 'the receiver takes only a part', {
    found: partial.cause ?? 'no reason given',
    retryable: true,
  });
}

/** Numbers a sink gives are another's work: only those that can be true count. */
export function count(value: unknown, most: number): number {
  return typeof value === 'number' && value > 0 ? Math.min(Math.trunc(value), most) : 0;
}

/** Rows a sink wants to be given again, in order and each once. */
export function again(rows: unknown, length: number): readonly number[] {
  if (!Array.isArray(rows)) return [];
  const sound = rows.filter((row): row is number => Number.isInteger(row) && row >= 0 && row < length);
  return [...new Set(sound)].sort((a, b) => a - b);
}
