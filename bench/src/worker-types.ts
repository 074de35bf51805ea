import type { FlowSourceStats } from '@retina/sdk';

export type Request =
  | { readonly op: 'load'; readonly object: string; readonly file: string; readonly flows: boolean }
  | { readonly op: 'attach'; readonly object: string; readonly program: string; readonly ifindex: number; readonly direction: 'ingress' | 'egress' } // prettier-ignore
  | { readonly op: 'swap'; readonly link: string; readonly object: string; readonly program: string }
  | { readonly op: 'stats'; readonly object: string; readonly program: string }
  | { readonly op: 'flowStats'; readonly object: string }
  | { readonly op: 'close'; readonly object: string };

export interface Answer {
  readonly program?: { readonly runs: number; readonly nanos: number };
  readonly flows?: FlowSourceStats;
  readonly error?: string;
}
