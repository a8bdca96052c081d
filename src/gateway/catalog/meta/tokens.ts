import type { Json } from '#core/json.ts';

/**
 * About how many tokens a model spends on this text or JSON: an estimate from above of what common byte-pair
 * vocabularies give. Letters, digits and spaces four to a token, ASCII punctuation two to a token (JSON is full of it
 * and merges only in part), any other character one token of its own; rounded up.
 */
export function estimateTokens(value: Json): number {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  let quarters = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    quarters += code > 0x7f ? 4 : isWordOrSpace(code) ? 1 : 2;
  }
  return Math.ceil(quarters / 4);
}

const isWordOrSpace = (code: number): boolean =>
  code === 0x20 || (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
