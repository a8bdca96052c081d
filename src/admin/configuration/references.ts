/** Names of the variables that stand in the place of secrets in an exported file. */
export interface References {
  /** `${NAME}` for a secret; another name for each. `of`: what it is, for people. */
  of(words: readonly string[], of: string): string;
  has(text: string): boolean;
  list(): readonly { readonly name: string; readonly of: string }[];
}

export function openNames(): References {
  const taken = new Map<string, string>();
  return {
    of(words, of) {
      const base = words
        .filter(Boolean)
        .map((word) => word.replace(/[^A-Za-z0-9]+/g, '_').toUpperCase())
        .join('_')
        // Variables of the gateway's own are a closed list.
        .replace(/^(?=\d|GATEHOUSE_)/, 'X_');
      let name = base;
      for (let count = 2; taken.has(name); count++) name = `${base}_${count}`;
      taken.set(name, of);
      return `\${${name}}`;
    },
    has: (text) => /^\$\{\w+\}$/.test(text) && taken.has(text.slice(2, -1)),
    list: () => [...taken].map(([name, of]) => ({ name, of })),
  };
}
