import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JsonObject } from '#core/json.ts';
import { type IndexedTool, openToolIndex } from './tool-index.ts';

interface Server {
  readonly key: string;
  readonly tools: readonly { name: string; title?: string; description: string; inputSchema: JsonObject }[];
}
interface Question {
  readonly question: string;
  readonly tools: readonly string[];
}

const kit = (name: string) => JSON.parse(readFileSync(`test/kit/tool-search/${name}`, 'utf8'));
const servers: readonly Server[] = kit('servers.json');
const tools: readonly IndexedTool[] = servers.flatMap(({ key, tools }) =>
  tools.map((tool) => ({ ...tool, name: `${key}_${tool.name}`, server: key })),
);
const index = openToolIndex(tools);
const namesFor = (query: string, limit = 5) => index.search(query, { limit }).map((hit) => hit.tool.name);

function recallOf(questions: readonly Question[]): number {
  const hits = questions.filter(({ question, tools }) => namesFor(question).some((name) => tools.includes(name)));
  return hits.length / questions.length;
}

test('the data set is as large as promised', () => {
  expect(tools.length).toBeGreaterThanOrEqual(320);
  const [tuning, heldOut] = [kit('questions-tuning.json'), kit('questions-held-out.json')];
  expect(tuning.length + heldOut.length).toBeGreaterThanOrEqual(120);
  expect(Math.abs(tuning.length - heldOut.length)).toBeLessThanOrEqual(1);
});

test.each(['tuning', 'held-out'])(
  'of the %s questions 95 of 100 find a right tool among the first five [S3.22]',
  (half) => {
    // A comparison that prints neither the questions nor the tools.
    expect(recallOf(kit(`questions-${half}.json`)) >= 0.95).toBe(true);
  },
);

test('an exact name comes first, and a part of a name finds the names that begin so [S3.22]', () => {
  for (const { name } of tools) expect(namesFor(name, 1)).toEqual([name]);
  expect(namesFor('github_create_i')[0]).toBe('github_create_issue');
});

test('what is not allowed is never found and takes no place [S3.22]', () => {
  const allow = (place: number) => tools[place]?.server !== 'github';
  const found = index.search('create an issue', { limit: 5, allow });
  expect(found).toHaveLength(5);
  expect(found.some((hit) => hit.tool.server === 'github')).toBe(false);
});

test('equal tools come in the order of their names, every time', () => {
  const twins = ['c', 'a', 'b'].map((name) => ({ name, description: 'brew tea', server: 's' }));
  const found = openToolIndex(twins).search('tea', { limit: 9 });
  expect(found.map((hit) => hit.tool.name)).toEqual(['a', 'b', 'c']);
});

test('a tool that stuffs its description does not outrank the tool that is meant', () => {
  const stuffed = { name: 'evil', description: 'create github issue repository '.repeat(20_000), server: 'evil' };
  const found = openToolIndex([stuffed, ...tools]).search('create github issue', { limit: 1 });
  expect(found[0]?.tool.name).toBe('github_create_issue');
});

test('any query and any text is answered with finite, sorted scores within the limit', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 80 });
  const anyTool = fc.record({ name: text, description: text, server: text });
  fc.assert(
    fc.property(fc.array(anyTool, { maxLength: 12 }), text, fc.integer({ min: -1, max: 200 }), (list, query, limit) => {
      const scores = openToolIndex(list)
        .search(query, { limit })
        .map((hit) => hit.score);
      expect(scores.length).toBeLessThanOrEqual(Math.max(1, limit));
      expect(scores.every((score) => Number.isFinite(score) && score > 0)).toBe(true);
      expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    }),
    { numRuns: 200 },
  );
});

test('what indexing and searching cost grows with the tools, and a search is a small part of an index', () => {
  const manyOf = (length: number) =>
    Array.from({ length }, (_, place) => {
      const tool = tools[place % tools.length];
      return { ...tool, name: `s${place}_${tool?.name}`, server: `s${place % 300}` };
    });
  const many = manyOf(10_000);
  const quickest = (times: number, work: () => unknown): number =>
    Math.min(
      ...Array.from({ length: times }, () => {
        const startedAt = performance.now();
        work();
        return performance.now() - startedAt;
      }),
    );
  const large = openToolIndex(many);
  const indexing = quickest(3, () => openToolIndex(many));
  expect(indexing / quickest(3, () => openToolIndex(manyOf(1000)))).toBeLessThan(40);
  const search = quickest(20, () => large.search('create a new issue in the repository', { limit: 10 }));
  expect(search / indexing).toBeLessThan(0.05);
});
