import type { Match } from './filter.ts';

/** Every match of a global expression; `isReal` says more than the expression can. */
export function matchesOf(
  text: string,
  { name, expression }: { readonly name: string; readonly expression: RegExp },
  isReal: (found: string) => boolean = () => true,
): readonly Match[] {
  const found: Match[] = [];
  for (const match of text.matchAll(expression)) {
    const [whole] = match;
    if (whole !== '' && isReal(whole)) found.push({ name, start: match.index, end: match.index + whole.length });
  }
  return found;
}
