/** Gives a name's registrable domain, the one below a public suffix: `a.b.example.co.uk` → `example.co.uk`. */
export type Fold = (name: string) => string;

/** Loads the list of public suffixes where the mode needs it. */
export async function loadFold(mode: 'full' | 'registrable' | 'none'): Promise<Fold> {
  if (mode !== 'registrable') return (name) => name;
  const { getDomain } = await import('tldts-icann');
  return (name) => {
    // a name of odd characters is no host's: its last two labels do
    const domain = getDomain(name, { extractHostname: false });
    return domain ?? name.split('.').slice(-2).join('.');
  };
}
