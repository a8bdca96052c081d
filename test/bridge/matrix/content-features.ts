/** Tools and what they answer. */
import { expect } from 'vitest';
import type { JsonObject } from '#core/json.ts';
import { isModern } from './clients.ts';
import { call, type Feature, isDirect, type Pair, refusalOf, said } from './feature.ts';
import { png, toolNames, wav } from './fixture.ts';
import { enveloped, post } from './raw.ts';

const group = 'Tools';

const answers = (name: string, block: JsonObject) => async (pair: Pair) => {
  const { content } = await call(pair, name);
  expect(content).toEqual([block]);
};

export async function listAll(pair: Pair, method: string, member: string): Promise<readonly JsonObject[]> {
  const all: JsonObject[] = [];
  let cursor: unknown;
  do {
    const page = await pair.client.request(method, cursor === undefined ? {} : { cursor: String(cursor) });
    all.push(...(page[member] as unknown as readonly JsonObject[]));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return all;
}

export const contentFeatures: readonly Feature[] = [
  {
    title: 'initialize, server/discover: capabilities and instructions',
    group,
    async check({ client }) {
      expect(client.instructions).toContain('Ask the matrix before you act.');
      for (const name of ['tools', 'resources', 'prompts']) expect(client.capabilities).toHaveProperty(name);
    },
  },
  {
    title: 'tools/list, several pages',
    group,
    async check(pair) {
      const names = (await listAll(pair, 'tools/list', 'tools')).map(({ name }) => name);
      expect([...names].sort()).toEqual([...toolNames].sort());
    },
  },
  {
    title: 'tools/call, arguments as sent',
    group,
    async check(pair) {
      const args = { text: 'grüß 🜁', list: [1, null, true], deep: { a: { b: '' } } };
      expect(said(await call(pair, 'echo', args))).toEqual(args);
    },
  },
  { title: 'text', group, check: answers('text', { type: 'text', text: 'plain text' }) },
  { title: 'image', group, check: answers('image', { type: 'image', data: png, mimeType: 'image/png' }) },
  {
    title: 'audio',
    group,
    gap: (row, column) => (row.version === '2024-11-05' && !isDirect(row, column) ? 'noAudio' : undefined),
    check: answers('audio', { type: 'audio', data: wav, mimeType: 'audio/wav' }),
    instead: async (pair) => expect(said(await call(pair, 'audio'))).toContain('audio/wav'),
  },
  {
    title: 'embedded resource',
    group,
    check: answers('embedded', {
      type: 'resource',
      resource: { uri: 'test://embedded', mimeType: 'text/plain', text: 'inside' },
    }),
  },
  {
    title: 'link to a resource',
    group,
    gap: (row, column) => (row.version < '2025-06-18' && !isDirect(row, column) ? 'noLinks' : undefined),
    check: answers('link', { type: 'resource_link', uri: 'test://linked', name: 'linked', mimeType: 'text/plain' }),
    instead: async (pair) => expect(said(await call(pair, 'link'))).toContain('test://linked'),
  },
  {
    title: 'structured content',
    group,
    gap: (row, column) => (row.version < '2025-06-18' && !isDirect(row, column) ? 'noStructure' : undefined),
    async check(pair) {
      expect(await call(pair, 'structured')).toMatchObject({ structuredContent: { sum: 3 } });
    },
    instead: async (pair) => expect(said(await call(pair, 'structured'))).toEqual({ sum: 3 }),
  },
  {
    title: 'a tool’s own error (`isError`)',
    group,
    async check(pair) {
      const result = await call(pair, 'fails');
      expect([result.isError, said(result)]).toEqual([true, 'this went wrong']);
    },
  },
  {
    title: 'an error with code and data',
    group,
    async check(pair) {
      const { code, message, data } = await refusalOf(call(pair, 'refuses'));
      expect([code, data]).toEqual([4711, { why: 'closed' }]);
      expect(message).toContain('not today');
    },
  },
  {
    title: 'an unknown tool',
    group,
    async check(pair) {
      expect((await refusalOf(call(pair, 'nobody_has_this'))).code).toBe(-32602);
    },
  },
  {
    title: 'an unknown method: -32601, with status 404 in the modern era',
    group,
    async check({ client, row, address }) {
      if (row.wire !== 'http' || !isModern(row)) {
        expect((await refusalOf(client.request('matrix/unknown'))).code).toBe(-32601);
        return;
      }
      const { status, answer } = await post(row, address, { id: 1, method: 'matrix/unknown', params: enveloped(row) });
      expect([status, answer]).toMatchObject([404, { id: 1, error: { code: -32601 } }]);
    },
  },
  {
    title: 'request ids: texts and numbers come back as they were',
    group,
    async check({ client, tag }) {
      const params = { name: 'text', arguments: {} };
      for (const id of [`${tag} "quoted" ü`, '7', 1_000_007]) {
        const answer = await client.raw({ id, method: 'tools/call', params });
        expect(answer).toMatchObject({ id, result: { content: [{ text: 'plain text' }] } });
      }
    },
  },
  {
    title: 'many calls at once, each with its own answer',
    group,
    async check(pair) {
      const numbers = Array.from({ length: 8 }, (_, n) => n);
      const results = await Promise.all(numbers.map((n) => call(pair, 'echo', { n })));
      expect(results.map(said)).toEqual(numbers.map((n) => ({ n })));
    },
  },
];
