import { UriTemplate } from '@modelcontextprotocol/server';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '#core/json.ts';
import { RpcError } from './errors.ts';
import { mapErrorUris, mapParamsUris, mapResultUris } from './uri-places.ts';
import { decodeUri, encodeUri } from './uris.ts';

const prefixes = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,20}$/);
const schemes = fc.oneof(
  fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9+.-]{0,8}$/),
  fc.constantFrom('gatehouse', 'file', 'ui'),
);
const rest = fc.string({ unit: 'binary', maxLength: 30 });
const uris = fc.oneof(
  fc.tuple(schemes, fc.constantFrom('://', ':', '://x.gatehouse/', ':///'), rest).map((parts) => parts.join('')),
  rest,
);
const untouched = (uri: string) => /^(https?|data):/i.test(uri);

describe('URIs of published resources', () => {
  test.each([
    ['a', 'file:///etc/x', 'file://a.gatehouse//etc/x'],
    ['a', 'ui://app/main', 'ui://a.gatehouse/app/main'],
    ['a', 'urn:x:y', 'urn://a.gatehouse-opaque/x:y'],
    ['a', '{+uri}', 'gatehouse://a/{+uri}'],
    ['a', 'plain/path', 'gatehouse://a/plain/path'],
    ['a', 'https://example.com/x', 'https://example.com/x'],
    ['a', 'DATA:,x', 'DATA:,x'],
    ['', 'file:///etc/x', 'file:///etc/x'],
  ])('%s with %s is %s', (prefix, uri, expected) => {
    expect(encodeUri(prefix, uri)).toBe(expected);
    if (expected !== uri) expect(decodeUri(expected)).toEqual({ prefix, uri });
  });

  test('what is encoded decodes to the very same', () => {
    fc.assert(
      fc.property(prefixes, uris, (prefix, uri) => {
        fc.pre(!untouched(uri));
        expect(decodeUri(encodeUri(prefix, uri))).toEqual({ prefix, uri });
      }),
    );
  });

  test('a gateway behind a gateway adds and takes only its own part', () => {
    fc.assert(
      fc.property(prefixes, prefixes, uris, (outer, inner, uri) => {
        fc.pre(!untouched(uri));
        const once = encodeUri(inner, uri);
        expect(decodeUri(encodeUri(outer, once))).toEqual({ prefix: outer, uri: once });
      }),
    );
  });

  const templates = ['file:///{path}', 'x:{id}', '{+uri}', '{scheme}://{+path}', 'db://{table}/{id}', 'x:{+uri}'];
  test.each(templates)('%s expands to what decodes to its own expansion', (template) => {
    fc.assert(
      fc.property(prefixes, fc.stringMatching(/^[a-z0-9/:.-]{1,20}$/), (prefix, value) => {
        const values = { path: value, id: value, uri: value, scheme: 'abc', table: value };
        const own = new UriTemplate(template).expand(values);
        const published = new UriTemplate(encodeUri(prefix, template)).expand(values);
        expect(decodeUri(published)).toEqual({ prefix, uri: own });
      }),
      { numRuns: 50 },
    );
  });
});

/** Every string `u:…` stands where a URI does, every `n:…` where none does. */
const results: Readonly<Record<string, JsonObject>> = {
  'tools/list': { tools: [{ name: 'n:', _meta: { ui: { resourceUri: 'u:1' }, 'ui/resourceUri': 'u:2' } }] },
  'tools/call': {
    content: [
      { type: 'resource_link', uri: 'u:1', name: 'n:1' },
      { type: 'resource', resource: { uri: 'u:2', text: 'n:2', _meta: { ui: { resourceUri: 'u:3' } } } },
      { type: 'text', text: 'n:3', uri: 'n:4' },
    ],
    structuredContent: { uri: 'n:5' },
    _meta: { ui: { resourceUri: 'u:4' } },
  },
  'prompts/get': { messages: [{ role: 'user', content: { type: 'resource', resource: { uri: 'u:1', blob: 'n:' } } }] },
  'resources/list': { resources: [{ uri: 'u:1', name: 'n:1', _meta: { ui: { resourceUri: 'u:2' } } }] },
  'resources/templates/list': { resourceTemplates: [{ uriTemplate: 'u:1', name: 'n:1' }] },
  'resources/read': { contents: [{ uri: 'u:1', text: 'n:1' }] },
  'tasks/get': {
    taskId: 'n:1',
    result: { content: [{ type: 'resource_link', uri: 'u:1', name: 'n:1' }] },
    inputRequests: {
      a: {
        method: 'sampling/createMessage',
        params: {
          messages: [
            { role: 'user', content: [{ type: 'tool_result', content: [{ type: 'resource_link', uri: 'u:2' }] }] },
          ],
        },
      },
      b: { method: 'elicitation/create', params: { mode: 'url', url: 'n:2' } },
    },
  },
  'skills/list': { skills: [{ uri: 'u:1', frontmatter: { uri: 'n:' }, resources: [{ uri: 'u:2' }] }] },
  'skills/get': { skill: { uri: 'u:1', resources: 'dynamic' } },
  'resources/directory/read': { resources: [{ uri: 'u:1', name: 'n:' }] },
};

const params: Readonly<Record<string, JsonObject>> = {
  'resources/read': { uri: 'u:1' },
  'resources/subscribe': { uri: 'u:1' },
  'resources/unsubscribe': { uri: 'u:1' },
  'notifications/resources/updated': { uri: 'u:1' },
  'completion/complete': { ref: { type: 'ref/resource', uri: 'u:1' }, argument: { name: 'n:', value: 'n:' } },
  'subscriptions/listen': { notifications: { toolsListChanged: true, resourceSubscriptions: ['u:1', 'u:2'] } },
  'notifications/subscriptions/acknowledged': { notifications: { resourceSubscriptions: ['u:1'] } },
  'notifications/tasks': { taskId: 'n:', result: { content: [{ type: 'resource_link', uri: 'u:1' }] } },
  'tools/call': { name: 'n:', arguments: { uri: 'n:' } },
};

function expectMapped(before: JsonObject, after: JsonObject): void {
  expect(JSON.stringify(after)).toBe(JSON.stringify(before).replaceAll('"u:', '"U:u:'));
}

const map = (uri: string) => `U:${uri}`;

test.each(Object.entries(results))('every URI in a result of %s is mapped, and nothing else', (method, result) => {
  expectMapped(result, mapResultUris(method, result, map));
});

test.each(Object.entries(params))('every URI in the params of %s is mapped, and nothing else', (method, value) => {
  expectMapped(value, mapParamsUris(method, value, map));
});

test('a resource that is not found is named as it was published', () => {
  const error = new RpcError(-32602, 'no', { uri: 'u:1' });
  expect(mapErrorUris(error, map).data).toEqual({ uri: 'U:u:1' });
  expect(mapErrorUris(new RpcError(4711, 'own', { uri: 'n:' }), map).data).toEqual({ uri: 'n:' });
});
