import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isJsonObject, type JsonObject } from '#core/json.ts';
import { describeBody, describeTools, searchBody, searchTools, statsBody } from './answers.ts';
import { metaTools } from './meta-tools.ts';
import { signatureLimit, signatureOf } from './signature.ts';
import { estimateTokens } from './tokens.ts';
import type { ToolView, ViewedTool } from './view.ts';
import { checkArguments, explainWrongCall } from './wrong-call.ts';

interface Server {
  readonly key: string;
  readonly tools: readonly (JsonObject & { name: string })[];
}
const servers: readonly Server[] = JSON.parse(readFileSync('test/kit/tool-search/servers.json', 'utf8'));
const tools: readonly ViewedTool[] = servers.flatMap(({ key, tools }) =>
  tools.map((tool) => ({ published: { ...tool, name: `${key}_${tool.name}` }, server: key })),
);
const view: ToolView = { tools };
const notGithub: ToolView = { tools, allow: (tool) => tool.server !== 'github' };
const textOf = (result: JsonObject | undefined): string => JSON.stringify(result?.content ?? '');
const toolNamed = (name: string): JsonObject => {
  const found = tools.find((tool) => tool.published.name === name);
  if (found === undefined) throw new Error(`no tool ${name}`);
  return found.published;
};
/** As many tools as asked for, from the data set again and again. */
const many = (count: number): ToolView => ({
  tools: Array.from({ length: count }, (_, place) => {
    const tool = tools[place % tools.length];
    const round = Math.floor(place / tools.length);
    return {
      published: { ...tool?.published, name: `${tool?.published.name}${round || ''}` },
      server: `${tool?.server}`,
    };
  }),
});

test('a list of 1,266 tools costs a client at most 2,000 tokens, with one search and one call too [S3.22]', () => {
  const large = many(1266);
  const list = estimateTokens({ tools: metaTools({ count: 1266 }), ttlMs: 0, cacheScope: 'private' });
  const call = { tool_name: 'github_create_issue', arguments: { owner: 'o', repo: 'r', title: 't' } };
  const answer = searchTools(large, { query: 'create an issue on github' });
  const flow = list + estimateTokens(answer) + estimateTokens(call);
  expect(list).toBeLessThan(1000);
  expect(flow).toBeLessThanOrEqual(2000);
  expect(Number(statsBody(large).tokens_of_all_tools)).toBeGreaterThan(50 * list);
});

test('a search answers with signatures, as text and structured, and over REST in the documented shape [S3.22]', () => {
  const result = searchTools(view, { query: 'create github issue', limit: 3 });
  expect(textOf(result)).toContain('github_create_issue(owner: string, repo: string, title: string, ');
  expect(result.structuredContent).toMatchObject({ query: 'create github issue', count: 3 });
  expect(searchBody(view, { query: 'create github issue', limit: 1 })).toEqual({
    query: 'create github issue',
    count: 1,
    results: [
      {
        tool_name: 'github_create_issue',
        server_id: 'github',
        display_name: 'github_create_issue',
        description: 'Create a new issue in a GitHub repository',
        relevance_score: expect.any(Number),
      },
    ],
  });
  expect(searchBody(view, { query: 'issue' }).count).toBe(10);
});

test('a description carries the schema, and an unknown name an error with near names beside the others [S3.22]', () => {
  const body = describeBody(view, { tool_names: ['github_create_issue', 'github_creat_isue'] });
  expect(body).toMatchObject({
    count: 2,
    tools: [
      { request_body: { type: 'object' }, endpoint: '/mcp/github/github_create_issue' },
      { tool_name: 'github_creat_isue', error: expect.stringContaining('github_create_issue') },
    ],
  });
  expect(JSON.stringify(body)).toContain('"name":"owner","type":"string","required":true');
  expect(textOf(describeTools(view, { tool_names: ['github_create_issue'] }))).toContain('inputSchema');
});

test('what a caller may not use is neither found, described, suggested nor counted [S3.22] [X3.1]', () => {
  const told = [
    searchTools(notGithub, { query: 'github_create_issue', limit: 50 }).content,
    searchBody(notGithub, { query: 'github create issue' }).results,
    describeBody(notGithub, { tool_names: ['github_creat_issue'] }),
  ];
  expect(JSON.stringify(told)).not.toContain('github_create_issue');
  expect(JSON.stringify(describeBody(notGithub, { tool_names: ['github_create_issue'] }))).not.toContain(
    'request_body',
  );
  expect(statsBody(notGithub).total_servers).toBe(servers.length - 1);
});

test('wrong arguments of the meta tools are answered as a tool error', () => {
  expect(searchTools(view, { limit: 0 })).toMatchObject({ isError: true });
  expect(describeTools(view, null)).toMatchObject({ isError: true });
});

test('a wrong call is answered with what is wrong and the schema, a right one with nothing [S3.22]', () => {
  const tool = toolNamed('github_create_issue');
  const answer = explainWrongCall(tool, { owner: 'o', repo: 'r', titel: 't' });
  expect(answer).toMatchObject({ isError: true });
  expect(textOf(answer)).toMatch(/missing: title.*unknown: titel \(did you mean title\?\).*input schema/s);
  expect(explainWrongCall(tool, { owner: 'o', repo: 'r', title: 't' })).toBeUndefined();
  expect(textOf(explainWrongCall(tool, { owner: 'o', repo: 'r', title: 7 }))).toContain('title');
  expect(textOf(explainWrongCall(tool, 'x', 'upstream says no'))).toMatch(/upstream says no.*must be an object/s);
});

test.each([
  ['a pattern that runs for ever', { properties: { a: { type: 'string', pattern: '^(a+)+$' } } }],
  ['a reference to itself', { $ref: '#' }],
  ['a reference to elsewhere', { $ref: 'https://example.com/schema.json' }],
  ['a dialect of another time', { $schema: 'http://json-schema.org/draft-03/schema#' }],
  [
    'references that multiply',
    {
      $ref: '#/$defs/d0',
      $defs: Object.fromEntries(
        Array.from({ length: 30 }, (_, at) => {
          const next = { $ref: `#/$defs/d${at + 1}` };
          return [`d${at}`, { allOf: [next, next] }];
        }),
      ),
    },
  ],
])('a schema with %s judges nobody and takes no time', (_, schema) => {
  const startedAt = performance.now();
  expect(checkArguments(schema, { a: `${'a'.repeat(40)}!` })).toEqual([]);
  expect(performance.now() - startedAt).toBeLessThan(500);
});

test('a signature names types, enums and one level of objects, required ones first [S3.22]', () => {
  const inputSchema = {
    type: 'object',
    properties: {
      state: { enum: ['open', 'closed'] },
      at: { type: 'object', properties: { line: { type: 'integer' }, in: { type: 'object', properties: { x: {} } } } },
      ids: { type: 'array', items: { type: ['string', 'null'] } },
      id: { type: 'string' },
    },
    required: ['id'],
  };
  expect(signatureOf({ name: 'go', description: 'Goes there.\u202e Really\u200b.', inputSchema })).toBe(
    'go(id: string, state?: "open"|"closed", at?: {line?: int, in?: object}, ids?: (string|null)[]) — Goes there',
  );
});

test('a signature of any definition is one bounded line', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }),
      fc.jsonValue(),
      fc.string({ maxLength: 3000 }),
      (name, any, description) => {
        const schema: JsonObject = isJsonObject(any) ? any : {};
        const line = signatureOf({ name, description, inputSchema: { properties: { ...schema, nested: schema } } });
        expect(line.length).toBeLessThanOrEqual(signatureLimit);
        expect(line).not.toMatch(/[\n\r\u202a-\u202e\u2066-\u2069\u200b]/);
      },
    ),
  );
});

test('tokens are estimated from above: words by four letters, other scripts by characters', () => {
  expect(estimateTokens('')).toBe(0);
  expect(estimateTokens('four')).toBe(1);
  expect(estimateTokens('日本語')).toBe(3);
  expect(estimateTokens({ a: 1 })).toBe(3);
});
