import * as modern from '@modelcontextprotocol/core';
import * as legacy from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '#core/json.ts';
import { legacyVersions } from '#mcp/versions.ts';
import { clientCapabilitiesFor, mergeSettings, toCanonicalClientCapabilities } from './capabilities.ts';
import { mergeDiscover } from './merge-discover.ts';

const everything: JsonObject = {
  roots: { listChanged: true },
  sampling: { tools: {}, context: {} },
  elicitation: { form: {}, url: {} },
  tasks: { list: {} },
  extensions: { 'io.modelcontextprotocol/tasks': {}, 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html'] } },
  experimental: { x: {} },
};

describe('what is declared for a client', () => {
  test.each(legacyVersions)('to a server of %s is what that revision knows', (version) => {
    const declared = clientCapabilitiesFor(everything, version);
    expect(() => legacy.ClientCapabilitiesSchema.parse(declared)).not.toThrow();
    expect(declared.elicitation).toEqual(
      version >= '2025-11-25' ? { form: {}, url: {} } : version >= '2025-06-18' ? {} : undefined,
    );
    expect(declared.sampling).toEqual(version >= '2025-11-25' ? { tools: {}, context: {} } : {});
    expect(declared).not.toHaveProperty('tasks');
    expect(declared.extensions).toEqual({ 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html'] } });
  });

  test('to a modern server has no word of list changes, nor of tasks of its own', () => {
    const declared = clientCapabilitiesFor(everything, '2026-07-28');
    expect(() => modern.ClientCapabilitiesSchema.parse(declared)).not.toThrow();
    expect(declared).toEqual({
      roots: {},
      sampling: { tools: {}, context: {} },
      elicitation: { form: {}, url: {} },
      extensions: everything.extensions,
      experimental: { x: {} },
    });
  });

  test('is never more than it declared', () => {
    for (const version of [...legacyVersions, '2026-07-28']) expect(clientCapabilitiesFor({}, version)).toEqual({});
    expect(clientCapabilitiesFor({ elicitation: { url: {} } }, '2025-06-18')).toEqual({});
    expect(clientCapabilitiesFor({ elicitation: { url: {} } }, '2025-11-25')).toEqual({ elicitation: { url: {} } });
  });

  test('counts for a legacy client only where its revision has it', () => {
    expect(toCanonicalClientCapabilities({ elicitation: {} }, '2025-03-26')).toEqual({});
    expect(toCanonicalClientCapabilities({ elicitation: {} }, '2025-06-18')).toEqual({ elicitation: { form: {} } });
    expect(toCanonicalClientCapabilities({ sampling: { tools: {} } }, '2025-06-18')).toEqual({ sampling: {} });
  });
});

describe('servers seen as one', () => {
  const part = (prefix: string, discover: JsonObject) => ({ prefix, discover });
  const serverInfo = { name: 'gatehouse', version: '1' };

  test('can together what each can', () => {
    const parts = [
      part('a', {
        capabilities: { tools: { listChanged: false }, extensions: { ui: { mimeTypes: ['x'] } } },
        instructions: 'A says.',
        ttlMs: 500,
        cacheScope: 'public',
      }),
      part('b', {
        capabilities: {
          tools: { listChanged: true },
          resources: { subscribe: true },
          extensions: { ui: { mimeTypes: ['x', 'y'] } },
        },
        instructions: 'B says.',
        ttlMs: 100,
        cacheScope: 'private',
      }),
      part('c', { capabilities: { logging: {} } }),
    ];
    const merged = mergeDiscover(parts, { serverInfo });
    expect(() => modern.DiscoverResultSchema.parse(merged)).not.toThrow();
    expect(merged).toEqual({
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: {
        tools: { listChanged: true },
        resources: { subscribe: true },
        logging: {},
        extensions: { ui: { mimeTypes: ['x', 'y'] } },
      },
      instructions: '## a\nA says.\n\n## b\nB says.',
      ttlMs: 0,
      cacheScope: 'private',
      _meta: { 'io.modelcontextprotocol/serverInfo': serverInfo },
    });
  });

  test('may be kept as shortly as the shortest of them', () => {
    const parts = [500, 100].map((ttlMs) => part('a', { ttlMs, cacheScope: 'public' }));
    expect(mergeDiscover(parts, { serverInfo })).toMatchObject({ ttlMs: 100, cacheScope: 'public' });
    expect(mergeDiscover([], { serverInfo })).toMatchObject({ ttlMs: 0, cacheScope: 'private', capabilities: {} });
  });

  test('say no more than clients can bear, and one alone says it in its own words', () => {
    const long = 'x'.repeat(10_000);
    const parts = Array.from({ length: 20 }, (_none, at) => part(`s${at}`, { instructions: long }));
    const told = mergeDiscover(parts, { serverInfo, instructions: 'Ours first.' }).instructions;
    expect(typeof told === 'string' && told.length).toBe(16_000);
    expect(told).toMatch(/^Ours first\.\n\n## s0\n/);
    expect(mergeDiscover([part('a', { instructions: 'Mine.' })], { serverInfo }).instructions).toBe('Mine.');
  });

  test('settings named like members of every object merge as any other', () => {
    const polluting = JSON.parse('{"__proto__":{"polluted":true},"constructor":{"a":1}}');
    const merged = mergeSettings({ a: {} }, polluting);
    expect(Object.keys(merged)).toEqual(['a', '__proto__', 'constructor']);
    expect({}).not.toHaveProperty('polluted');
  });
});
