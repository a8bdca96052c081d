/** The one name of several that is two letters off at most. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const [best] = names
    .filter((other) => other !== name && Math.abs(other.length - name.length) <= 2)
    .map((other) => ({ other, steps: distance(name.toLowerCase(), other.toLowerCase()) }))
    .filter(({ steps, other }) => steps <= Math.min(2, Math.floor(other.length / 2)))
    .sort((a, b) => a.steps - b.steps);
  return best?.other;
}

/** Levenshtein's. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
