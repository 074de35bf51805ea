/** Id of the label value that stands for missing data. */
export const UNKNOWN_LABEL = 0;
/** Id of the label value that stands for everything past a limit. */
export const OVERFLOW_LABEL = 1;

/** Longest label value kept, in UTF-16 units: values may come from packets. */
const MAX_TEXT = 1024;

/**
 * Texts of label values by id. Ids are unique across all owners, so that whoever holds a flow record can name its drop
 * reason without knowing which plugin wrote it. Ids are never reused; the limit per owner bounds the table.
 */
export class LabelTable {
  private readonly texts: string[] = ['unknown', 'overflow'];
  private readonly domains = new Map<string, LabelDomain>();

  /** The domain of an owner (a plugin, the host). Outlives reloads, so reloading a plugin does not grow the table. */
  domain(owner: string, limit = 65_536): LabelDomain {
    let domain = this.domains.get(owner);
    if (!domain) {
      domain = new LabelDomain(this.texts, limit);
      this.domains.set(owner, domain);
    }
    return domain;
  }

  /** Text of an id of any domain; "unknown" for an id nobody gave out. */
  text(id: number): string {
    return this.texts[id] ?? 'unknown';
  }
}

/** Label values of one owner. */
export class LabelDomain {
  readonly limit: number;
  /** Texts refused because the domain was full. */
  refused = 0;
  private readonly texts: string[];
  private readonly ids = new Map<string, number>([
    ['unknown', UNKNOWN_LABEL],
    ['overflow', OVERFLOW_LABEL],
  ]);

  constructor(texts: string[], limit: number) {
    this.texts = texts;
    this.limit = limit;
  }

  /** Texts known, the two fixed ones not counted. */
  get size(): number {
    return this.ids.size - 2;
  }

  /** The id of a text, given out at first sight; past the limit the id of "overflow". Texts are cut after 1024 characters. */
  id(text: string): number {
    const known = this.ids.get(text);
    if (known !== undefined) return known;
    // Half a character cannot be written, and two texts with one each would then read the same.
    const sound = (text.length > MAX_TEXT ? text.slice(0, MAX_TEXT) : text).toWellFormed();
    if (sound !== text) return this.id(sound);
    if (this.size >= this.limit) {
      this.refused++;
      return OVERFLOW_LABEL;
    }
    const id = this.texts.push(text) - 1;
    this.ids.set(text, id);
    return id;
  }

  text(id: number): string {
    return this.texts[id] ?? 'unknown';
  }
}
