/**
 * Ranked search over tool definitions: BM25 with weighted fields (Robertson and Zaragoza 2009, BM25F), in memory,
 * built once per list. What an upstream writes about itself is bounded and saturates, so stuffing words gains little.
 */
import { isJsonObject, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { isStopWord, stem, synonymsOf, wordsOf } from './words.ts';

export interface IndexedTool {
  /** As the caller sees it. */
  readonly name: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly inputSchema?: JsonObject | undefined;
  /** Key of its server. */
  readonly server: string;
}

export interface SearchOptions {
  /** Most results, 1 to 100. */
  readonly limit: number;
  /** Whether the tool at this place of the list may be found; asked only about candidates. */
  readonly allow?: ((index: number) => boolean) | undefined;
}

export interface Hit {
  readonly tool: IndexedTool;
  readonly index: number;
  /** Greater than zero; comparable within one answer only. */
  readonly score: number;
}

export interface ToolIndex {
  search(query: string, options: SearchOptions): readonly Hit[];
}

/** Weight, most terms, and how much a long field is discounted (BM25's b). */
const fields = [
  { weight: 3.2, limit: 16, b: 0.5 },
  { weight: 1.6, limit: 16, b: 0.4 },
  { weight: 2.2, limit: 6, b: 0 },
  { weight: 1.2, limit: 60, b: 0.5 },
  { weight: 0.4, limit: 80, b: 0.6 },
] as const;
const k1 = 1.4;
/** The same word more often than this in one field says nothing more. */
const repeatLimit = 2;
const queryTermLimit = 24;
const synonymWeight = 0.55;
const prefixWeight = 0.6;
const prefixLimit = 6;

interface Posting {
  readonly docs: number[];
  readonly weights: number[];
}

function parameterText(schema: JsonObject | undefined): string {
  const parts: string[] = [];
  for (const [name, property] of Object.entries(objectIn(schema, 'properties') ?? {}).slice(0, 40)) {
    parts.push(name.slice(0, 64));
    if (isJsonObject(property)) parts.push((stringIn(property, 'description') ?? '').slice(0, 160));
  }
  return parts.join(' ');
}

function termsOfFields(tool: IndexedTool, stems: Map<string, string>): readonly (readonly string[])[] {
  const texts = [
    tool.name,
    tool.title ?? tool.name,
    tool.server,
    tool.description ?? '',
    parameterText(tool.inputSchema),
  ];
  return fields.map(({ limit }, place) => {
    const terms: string[] = [];
    for (const word of wordsOf(texts[place] ?? '', limit, place < 2)) {
      let term = stems.get(word);
      if (term === undefined) {
        term = isStopWord(word) ? '' : stem(word);
        stems.set(word, term);
      }
      // A name says each of its words once, also where the server's key is its prefix.
      if (term !== '' && (place > 0 || !terms.includes(term))) terms.push(term);
    }
    return terms;
  });
}

/** term → documents with their saturated weight, without idf. */
function postingsOf(tools: readonly IndexedTool[]): Map<string, Posting> {
  // The same words come again and again: each is stemmed once.
  const stems = new Map<string, string>();
  const documents = tools.map((tool) => termsOfFields(tool, stems));
  const averages = fields.map((_, place) => {
    let sum = 0;
    for (const document of documents) sum += document[place]?.length ?? 0;
    return Math.max(1, sum / Math.max(1, tools.length));
  });
  const postings = new Map<string, Posting>();
  documents.forEach((document, doc) => {
    const weights = new Map<string, number>();
    document.forEach((terms, place) => {
      const field = fields[place];
      if (field === undefined) return;
      const length = 1 - field.b + (field.b * terms.length) / (averages[place] ?? 1);
      const counts = new Map<string, number>();
      for (const term of terms) counts.set(term, Math.min(repeatLimit, (counts.get(term) ?? 0) + 1));
      for (const [term, count] of counts) {
        weights.set(term, (weights.get(term) ?? 0) + (field.weight * count) / length);
      }
    });
    for (const [term, weight] of weights) {
      const posting = postings.get(term) ?? { docs: [], weights: [] };
      if (posting.docs.length === 0) postings.set(term, posting);
      posting.docs.push(doc);
      posting.weights.push(weight / (k1 + weight));
    }
  });
  return postings;
}

/** First place of the sorted list that is not below `value`. */
function lowerBound(sorted: readonly string[], value: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? '') < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function startingWith(sorted: readonly string[], prefix: string, limit: number): readonly string[] {
  const found: string[] = [];
  for (let at = lowerBound(sorted, prefix); at < sorted.length && found.length < limit; at++) {
    const value = sorted[at] ?? '';
    if (!value.startsWith(prefix)) break;
    found.push(value);
  }
  return found;
}

/** The query as groups of alternatives: term → weight; of a group only the best match counts. */
function groupsOf(query: string, postings: ReadonlyMap<string, Posting>, vocabulary: readonly string[]) {
  const words = wordsOf(query, queryTermLimit);
  const groups = new Map<string, Map<string, number>>();
  const joined = words.slice(1).map((word, place) => stem(`${words[place]}${word}`));
  for (const term of joined) if (postings.has(term)) groups.set(term, new Map([[term, 1]]));
  const wanted = words.filter((word) => !isStopWord(word));
  for (const word of wanted.length > 0 ? wanted : words) {
    const term = stem(word);
    const group = new Map<string, number>();
    if (term.length >= 3) {
      for (const longer of startingWith(vocabulary, term, prefixLimit)) group.set(longer, prefixWeight);
    }
    for (const synonym of synonymsOf(term)) group.set(synonym, synonymWeight);
    group.set(term, 1);
    groups.set(term, group);
  }
  return groups.values();
}

/** Keeps the best `limit`; `isBefore` is a total order. */
function insertInto(best: Hit[], hit: Hit, limit: number): void {
  let at = best.length;
  while (at > 0 && isBefore(hit, best[at - 1])) at--;
  if (at >= limit) return;
  best.splice(at, 0, hit);
  if (best.length > limit) best.pop();
}

function isBefore(left: Hit, right: Hit | undefined): boolean {
  if (right === undefined) return false;
  if (left.score !== right.score) return left.score > right.score;
  if (left.tool.name !== right.tool.name) return left.tool.name < right.tool.name;
  return left.index < right.index;
}

/** Names by their lower-case form, for what is asked for by its name. */
function namesOf(tools: readonly IndexedTool[]) {
  const places = new Map<string, number[]>();
  tools.forEach((tool, index) => {
    const name = tool.name.toLowerCase();
    const known = places.get(name);
    if (known === undefined) places.set(name, [index]);
    else known.push(index);
  });
  return { places, sorted: [...places.keys()].sort() };
}

/** Builds the index; ten thousand tools take some 200 ms. The list must not change afterwards. */
export function openToolIndex(tools: readonly IndexedTool[]): ToolIndex {
  const postings = postingsOf(tools);
  const vocabulary = [...postings.keys()].sort();
  const names = namesOf(tools);
  // Scratch space of a search, which is synchronous.
  const scores = new Float64Array(tools.length);
  const ofGroup = new Float64Array(tools.length);
  const touched = new Int32Array(tools.length);

  const addGroup = (group: ReadonlyMap<string, number>): void => {
    let count = 0;
    for (const [term, weight] of group) {
      const posting = postings.get(term);
      if (posting === undefined) continue;
      const { docs, weights } = posting;
      const idf = weight * Math.log(1 + (tools.length - docs.length + 0.5) / (docs.length + 0.5));
      for (let at = 0; at < docs.length; at++) {
        const doc = docs[at] ?? 0;
        const score = idf * (weights[at] ?? 0);
        const before = ofGroup[doc] ?? 0;
        if (before === 0) touched[count++] = doc;
        if (score > before) ofGroup[doc] = score;
      }
    }
    for (let at = 0; at < count; at++) {
      const doc = touched[at] ?? 0;
      scores[doc] = (scores[doc] ?? 0) + (ofGroup[doc] ?? 0);
      ofGroup[doc] = 0;
    }
  };

  const addNames = (query: string): void => {
    const name = query.trim().toLowerCase();
    if (name.length < 2) return;
    for (const longer of startingWith(names.sorted, name, 64)) {
      const boost = longer === name ? 1000 : 10;
      for (const doc of names.places.get(longer) ?? []) scores[doc] = (scores[doc] ?? 0) + boost;
    }
  };

  return {
    search(query, { limit, allow }) {
      const most = Math.max(1, Math.min(100, Math.trunc(limit) || 1));
      const best: Hit[] = [];
      scores.fill(0);
      for (const group of groupsOf(query, postings, vocabulary)) addGroup(group);
      addNames(query.slice(0, 256));
      for (let index = 0; index < scores.length; index++) {
        const score = scores[index] ?? 0;
        if (score === 0) continue;
        if (best.length >= most && score < (best.at(-1)?.score ?? 0)) continue;
        const tool = tools[index];
        if (tool === undefined || (allow !== undefined && !allow(index))) continue;
        insertInto(best, { tool, index, score }, most);
      }
      return best;
    },
  };
}
