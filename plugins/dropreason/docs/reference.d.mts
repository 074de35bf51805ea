export interface Reason {
  readonly name: string;
  /** What the label `reason` says: Retina's name where it has one. */
  readonly label: string;
  readonly loss: boolean;
  readonly meaning: string;
  readonly cause: string;
  readonly cure: string;
}
export function readReasons(text?: string): { readonly title: string; readonly reasons: readonly Reason[] }[];
/** Pages for docs/reference/, by file name. */
export default function pages(): Readonly<Record<string, string>>;
