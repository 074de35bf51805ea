import type { IncomingHttpHeaders } from 'node:http';

export type Format = 'text' | 'openmetrics' | 'protobuf';
type Encoding = 'identity' | 'gzip';

export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  protobuf: 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited',
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

/** What is liked best of what is named; of equals the one that carries most. Text for whoever says nothing. */
export function acceptedFormat(header: string | undefined): Format {
  const weights = { protobuf: 0, openmetrics: 0, text: 0 };
  for (const item of (header ?? '').toLowerCase().split(',')) {
    const [type = '', ...params] = item.split(';').map((part) => part.trim());
    const param = (name: string) => params.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1);
    const q = Number(param('q') ?? 1);
    const format = formatOf(type, param);
    if (format && q >= 0 && q <= 1) weights[format] = Math.max(weights[format], q);
  }
  const best = Math.max(...Object.values(weights));
  if (best === 0) return 'text';
  return (['protobuf', 'openmetrics', 'text'] as const).find((format) => weights[format] === best)!;
}

function formatOf(type: string, param: (name: string) => string | undefined): Format | undefined {
  if (type === 'text/plain') return 'text';
  if (type === 'application/openmetrics-text')
    return (param('version') ?? '1.0.0') === '1.0.0' ? 'openmetrics' : undefined;
  if (type !== 'application/vnd.google.protobuf') return undefined;
  const right = param('proto') === 'io.prometheus.client.metricfamily' && param('encoding') === 'delimited';
  return right ? 'protobuf' : undefined;
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
