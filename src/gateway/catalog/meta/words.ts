/** From text to search terms: split names, drop stop words, strip endings, know a few everyday synonyms. */

/** Characters that show nothing or turn the direction of text: in an upstream's words they only deceive. */
const invisible = /(?:[\p{Cc}\p{Cf}\p{Co}\p{Cn}]|[\u{FE00}-\u{FE0F}]|[\u{E0100}-\u{E01EF}])+/gu;

/** One line without control, invisible and bidirectional characters, at most `limit` UTF-16 units with `…` at a cut. */
export function cleanLine(text: string, limit: number): string {
  const line = text
    .slice(0, limit * 4)
    .replace(/[\r\n\t]+/g, ' ')
    .replace(invisible, '')
    .replace(/ {2,}/g, ' ')
    .trim();
  return line.length <= limit ? line : `${line.slice(0, limit - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

const stopWords = new Set(
  `a an and any are as at be by can could did do does for from had has have how i if in into is it its let me my of on
  or our please should so some that the their them then there these they this those to us was we were what when where
  which who why will with would you your`.split(/\s+/),
);

/** Each row: words that people use for one another. Generic ones only; a match through a synonym counts less. */
const synonymRows = [
  'create add make new insert open',
  'create schedule book',
  'create file write',
  'delete remove drop erase destroy kick',
  'list show view all',
  'get read fetch retrieve show view',
  'update edit modify change set replace mark',
  'search find query lookup look locate',
  'send post publish deliver',
  'run execute invoke trigger start launch',
  'rerun retry repeat restart',
  'message msg chat',
  'issue ticket bug',
  'issue error exception problem failure',
  'email mail',
  'repository repo',
  'folder directory',
  'document doc',
  'image picture photo',
  'event meeting appointment invitation',
  'user person people member colleague',
  'comment reply note',
  'copy duplicate clone',
  'move rename',
  'download save export',
  'upload put',
  'bill invoice',
  'database db',
  'kubernetes k8s kube',
  'postgres postgresql',
  'javascript js',
  'delete cancel',
  'sms text',
  'alert alarm',
  'free available',
  'thread reply',
  'navigate open visit browse go',
  'history latest recent past log',
  'override swap substitute replace',
  'cost spend price',
  'switch checkout',
  'respond accept decline',
  'schema column',
];

/** At most this many characters of one word are looked at. */
const wordLimit = 32;

/** Strips plural, -ing, -ed and a last e: `creates`, `creating`, `created` and `create` are one term. */
export function stem(word: string): string {
  if (word.length < 4) return word;
  let stemmed = word;
  if (/(ies|ied)$/.test(word) && word.length > 4) stemmed = `${word.slice(0, -3)}y`;
  else if (/(ch|sh|x|ss|us|z)es$/.test(word)) stemmed = word.slice(0, -2);
  else if (/[^su]s$/.test(word) && !/is$/.test(word)) stemmed = word.slice(0, -1);
  const bare = /[aeiouy].*ing$/.test(stemmed)
    ? stemmed.slice(0, -3)
    : /[aeiouy].*ed$/.test(stemmed)
      ? stemmed.slice(0, -2)
      : '';
  if (bare.length >= 3) stemmed = /([bdfgmnprt])\1$/.test(bare) ? bare.slice(0, -1) : bare;
  return stemmed.length > 3 ? stemmed.replace(/e$/, '') : stemmed;
}

const camelCase = /(?<=[\p{Ll}\p{N}])(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/u;
const splitsAsName = /^\p{Ll}[^\p{Lu}]*\p{Lu}/u;

/**
 * Lower-case words of text, at most `limit`, split at what is no letter or digit. A word in camelCase (in a name also
 * one in PascalCase: `GitHub` in prose is one word) is given whole and in its parts.
 */
export function wordsOf(text: string, limit: number, isName = false): readonly string[] {
  const words: string[] = [];
  // What stands beyond is not looked at: the work is bounded by `limit`, whatever the upstream wrote.
  for (const whole of text.slice(0, limit * wordLimit).match(/[\p{L}\p{M}\p{N}]+/gu) ?? []) {
    if (words.length >= limit) break;
    words.push(whole.slice(0, wordLimit).toLowerCase());
    if (!isName && !splitsAsName.test(whole)) continue;
    const parts = whole.slice(0, wordLimit * 2).split(camelCase);
    if (parts.length > 1) for (const part of parts) words.push(part.slice(0, wordLimit).toLowerCase());
  }
  return words.length > limit ? words.slice(0, limit) : words;
}

export const isStopWord = (word: string): boolean => stopWords.has(word);

const synonymsByTerm = new Map<string, Set<string>>();
for (const row of synonymRows) {
  const terms = row.split(' ').map(stem);
  for (const term of terms) {
    const known = synonymsByTerm.get(term) ?? new Set();
    for (const other of terms) if (other !== term) known.add(other);
    synonymsByTerm.set(term, known);
  }
}

/** Stemmed synonyms of a stemmed term. */
export const synonymsOf = (term: string): Iterable<string> => synonymsByTerm.get(term) ?? [];
