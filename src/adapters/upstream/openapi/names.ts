/** Names that every client and model takes: letters, digits, `_`, `.`, `-`, at most 64 of them, no two alike. */
export const MAX_NAME = 64;

/** `fallback` where nothing of it can be kept. */
export function validName(text: string, fallback: string): string {
  const clean = text
    .replaceAll(/[^A-Za-z0-9_.-]+/g, '_')
    .replaceAll(/_{2,}/g, '_')
    .replaceAll(/^[_.-]+|[_.-]+$/g, '');
  return (clean === '' ? fallback : clean).slice(0, MAX_NAME);
}

/** Numbers whoever comes later. Names that differ in case only count as the same. */
export function openNames(): (name: string) => string {
  const taken = new Set<string>();
  return (name) => {
    let free = name;
    for (let n = 2; taken.has(free.toLowerCase()); n++) free = `${name.slice(0, MAX_NAME - String(n).length - 1)}_${n}`;
    taken.add(free.toLowerCase());
    return free;
  };
}

/** `*` stands for any characters. In time that is linear in the text for each star. */
export function matchesGlob(text: string, pattern: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return text === pattern;
  const last = rest.pop() ?? '';
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= text.length - last.length;
}
