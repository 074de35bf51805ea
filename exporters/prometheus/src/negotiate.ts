import type { IncomingHttpHeaders } from 'node:http';

export type Format = 'text' | 'openmetrics';
export type Encoding = 'identity' | 'gzip';

export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** Which of several answers one request gets: requests for the same one share it. */
export interface Wanted {
  readonly format: Format;
  readonly encoding: Encoding;
  /** Names of families, or of their samples; all of them if empty. */
  readonly names: readonly string[];
}

/** Most names one request may ask for. */
const MOST_NAMES = 256;

export function wantedBy(url: string, headers: IncomingHttpHeaders): Wanted {
  const at = url.indexOf('?');
  const query = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
  const names = [...new Set(query.getAll('name[]'))].filter(Boolean).slice(0, MOST_NAMES).sort();
  return {
    format: acceptedFormat(headers.accept),
    encoding: acceptsGzip(headers['accept-encoding']) ? 'gzip' : 'identity',
    names,
  };
}

/** OpenMetrics if it is named and not liked less than the text format; text for whoever says nothing. */
export function acceptedFormat(header: string | undefined): Format {
  let text = 0;
  let open = 0;
  for (const item of (header ?? '').toLowerCase().split(',')) {
    const [type, ...params] = item.split(';').map((part) => part.trim());
    const q = Number(params.find((param) => param.startsWith('q='))?.slice(2) ?? 1);
    const weight = q >= 0 && q <= 1 ? q : 0;
    const version = params.find((param) => param.startsWith('version='))?.slice(8);
    if (type === 'application/openmetrics-text' && (version ?? '1.0.0') === '1.0.0') open = Math.max(open, weight);
    if (type === 'text/plain') text = Math.max(text, weight);
  }
  return open > 0 && open >= text ? 'openmetrics' : 'text';
}

/** Whether `gzip` is named, and not with q=0. */
export function acceptsGzip(header: string | string[] | undefined): boolean {
  const items = String(header ?? '')
    .toLowerCase()
    .split(',');
  for (const name of ['gzip', '*']) {
    const item = items.find((i) => i.split(';', 1)[0]!.trim() === name);
    if (item !== undefined) return !/;\s*q=0(\.0*)?\s*$/.test(item);
  }
  return false;
}
