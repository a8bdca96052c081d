/** Prompts, resources, completion and ping. */
import { expect } from 'vitest';
import { isModern } from './clients.ts';
import { listAll } from './content-features.ts';
import { prompts, resources } from './documents.ts';
import { type Feature, refusalOf } from './feature.ts';
import { png } from './fixture.ts';

const group = 'Prompts, resources and the rest';

export const documentFeatures: readonly Feature[] = [
  {
    title: 'prompts/list',
    group,
    async check(pair) {
      const names = (await listAll(pair, 'prompts/list', 'prompts')).map(({ name }) => name);
      expect([...names].sort()).toEqual(prompts.map(({ name }) => name).sort());
    },
  },
  {
    title: 'prompts/get with arguments',
    group,
    async check({ client }) {
      const { messages } = await client.request('prompts/get', { name: 'greet', arguments: { who: 'Ann' } });
      expect(messages).toEqual([{ role: 'user', content: { type: 'text', text: 'Hello Ann' } }]);
    },
  },
  {
    title: 'prompts/get with picture and file',
    group,
    async check({ client }) {
      const { messages } = await client.request('prompts/get', { name: 'pictured' });
      expect(messages).toMatchObject([
        { content: { type: 'image', data: png } },
        { content: { type: 'resource', resource: { uri: 'test://inline' } } },
      ]);
    },
  },
  {
    title: 'an unknown prompt',
    group,
    async check({ client }) {
      expect((await refusalOf(client.request('prompts/get', { name: 'nobody_has_this' }))).code).toBe(-32602);
    },
  },
  {
    title: 'resources/list, several pages',
    group,
    async check(pair) {
      const uris = (await listAll(pair, 'resources/list', 'resources')).map(({ uri }) => String(uri));
      expect([...uris].sort()).toEqual(resources.map(({ uri }) => String(uri)).sort());
    },
  },
  {
    title: 'resources/templates/list',
    group,
    async check(pair) {
      const found = await listAll(pair, 'resources/templates/list', 'resourceTemplates');
      expect(found).toMatchObject([{ uriTemplate: 'test://by-name/{name}' }]);
    },
  },
  {
    title: 'resources/read, text',
    group,
    async check({ client }) {
      const uri = 'test://doc/0';
      const { contents } = await client.request('resources/read', { uri });
      expect(contents).toEqual([{ uri, mimeType: 'text/plain', text: `content of ${uri}` }]);
    },
  },
  {
    title: 'resources/read, bytes',
    group,
    async check({ client }) {
      const { contents } = await client.request('resources/read', { uri: 'test://doc/1' });
      expect(contents).toEqual([{ uri: 'test://doc/1', mimeType: 'image/png', blob: png }]);
    },
  },
  {
    title: 'resources/read by a template',
    group,
    async check({ client }) {
      const { contents } = await client.request('resources/read', { uri: 'test://by-name/ann' });
      expect(contents).toMatchObject([{ text: 'content of test://by-name/ann' }]);
    },
  },
  {
    title: 'a resource that nobody has: -32002 for legacy clients, -32602 for modern ones',
    group,
    async check({ client, row, tag }) {
      // On the wire: SDK 2.x shows the modern code to its program in either era.
      const answer = await client.raw({ id: tag, method: 'resources/read', params: { uri: 'test://nothing' } });
      expect(answer).toMatchObject({ error: { code: isModern(row) ? -32602 : -32002 } });
    },
  },
  {
    title: 'completion/complete',
    group,
    async check({ client }) {
      const params = { ref: { type: 'ref/prompt', name: 'greet' }, argument: { name: 'who', value: 'an' } };
      const { completion } = await client.request('completion/complete', params);
      expect(completion).toMatchObject({ values: ['anna', 'anton'], total: 2, hasMore: false });
    },
  },
  {
    title: 'ping',
    group,
    gap: (row) => (isModern(row) ? 'noPing' : undefined),
    check: async ({ client }) => expect(await client.request('ping')).toEqual({}),
    instead: async ({ client }) => expect((await refusalOf(client.request('ping'))).code).toBeDefined(),
  },
];
