/** Characters that a person does not see and a model reads (SECURITY F1): flagged where they stand, written out for people. */
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';

export interface HiddenCharacter {
  /** Where: `description`, `inputSchema.properties.q.description`. */
  readonly path: string;
  /** `U+202E` */
  readonly character: string;
  readonly kind: 'bidirectional' | 'tag' | 'variation-selector' | 'control' | 'invisible';
}

const maxFound = 100;
const maxDepth = 64;
/** Line ends and tabs are not hidden; a selector or joiner right after an emoji belongs to it. */
const suspect = /[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\p{Variation_Selector}\u2800\u3164\uffa0]/gu;
const partOfEmoji = /(?:\p{Extended_Pictographic}|[0-9#*]|\p{Emoji_Modifier})[\ufe0e\ufe0f]?$/u;

/** At most a hundred, in the order of the definition. */
export function hiddenCharacters(tool: JsonObject): readonly HiddenCharacter[] {
  const found: HiddenCharacter[] = [];
  look(tool, '', found);
  return found.slice(0, maxFound);
}

/** The text with hidden characters written out: `\u{202e}`. */
export function visibleText(text: string): string {
  return text.replace(suspect, (character) =>
    kindOf(character) === undefined ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

function look(value: Json, path: string, found: HiddenCharacter[]): void {
  if (found.length >= maxFound || path.split('.').length > maxDepth) return;
  if (typeof value === 'string') found.push(...hiddenIn(value, path));
  else if (Array.isArray(value)) for (const [index, item] of value.entries()) look(item, `${path}[${index}]`, found);
  else if (isJsonObject(value)) {
    for (const [key, item] of Object.entries(value)) {
      const at = path === '' ? visibleText(key) : `${path}.${visibleText(key)}`;
      found.push(...hiddenIn(key, at));
      look(item, at, found);
    }
  }
}

function hiddenIn(text: string, path: string): readonly HiddenCharacter[] {
  const found: HiddenCharacter[] = [];
  for (const match of text.matchAll(suspect)) {
    const [character] = match;
    const kind = kindOf(character);
    if (kind === undefined || isPartOfEmoji(text, match.index)) continue;
    found.push({ path, character: codeOf(character), kind });
    if (found.length >= maxFound) break;
  }
  return found;
}

function isPartOfEmoji(text: string, index: number): boolean {
  const character = text[index];
  if (character !== '\ufe0f' && character !== '\ufe0e' && character !== '\u200d') return false;
  const before = text.slice(Math.max(0, index - 3), index);
  // One selector, not a row of them.
  return partOfEmoji.test(before) && !(character !== '\u200d' && /[\ufe0e\ufe0f]$/.test(before));
}

const codeOf = (character: string) =>
  `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;

/** Undefined: white space that people see. */
function kindOf(character: string): HiddenCharacter['kind'] | undefined {
  const code = character.codePointAt(0) ?? 0;
  if (code === 9 || code === 10 || code === 13) return undefined;
  if (/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(character)) return 'bidirectional';
  if (code >= 0xe0000 && code <= 0xe007f) return 'tag';
  if (/\p{Variation_Selector}/u.test(character)) return 'variation-selector';
  if (/\p{Cc}/u.test(character)) return 'control';
  return 'invisible';
}
