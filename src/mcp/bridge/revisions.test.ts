/** Every method in every revision: converted messages are valid by the SDKs' own schemas, and hold nothing newer. */
import * as modern from '@modelcontextprotocol/core';
import * as skills from '@modelcontextprotocol/core/ext/skills';
import * as legacy from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '#core/json.ts';
import { legacyVersions } from '#mcp/versions.ts';
import { toDiscoverResult, toInitializeResult } from './capabilities.ts';
import { type Notification, toLegacyNotification } from './notifications.ts';
import { toLegacyQuestion } from './questions.ts';
import { isCacheable, toCanonicalResult, toLegacyResult } from './results.ts';

interface Schema {
  readonly parse: (value: unknown) => unknown;
}

const icons = [{ src: 'https://example.com/i.png', mimeType: 'image/png' }];
const meta = { 'com.example/key': 1 };
const blocks: readonly JsonObject[] = [
  { type: 'text', text: 'hello', annotations: { audience: ['user'], priority: 1 }, _meta: meta },
  { type: 'image', data: 'aGk=', mimeType: 'image/png', _meta: meta },
  { type: 'audio', data: 'aGk=', mimeType: 'audio/wav', _meta: meta },
  { type: 'resource_link', uri: 'file:///a', name: 'a', title: 'A', icons, _meta: meta },
  { type: 'resource', resource: { uri: 'file:///b', text: 'b', _meta: meta }, _meta: meta },
];
const cached = { ttlMs: 5000, cacheScope: 'public' };

const canonical: Readonly<Record<string, JsonObject>> = {
  'tools/list': {
    tools: [
      {
        name: 'all',
        title: 'All',
        icons,
        description: 'everything',
        inputSchema: { type: 'object', properties: { a: { type: 'string' } } },
        outputSchema: { type: 'object', properties: { a: { type: 'string' } } },
        annotations: { title: 'All', readOnlyHint: true },
        execution: { taskSupport: 'optional' },
        _meta: meta,
      },
      {
        name: 'list',
        inputSchema: { type: 'object' },
        outputSchema: { type: 'array', items: { $ref: '#/$defs/item' }, $defs: { item: { type: 'string' } } },
      },
      {
        name: 'either',
        inputSchema: { type: 'object' },
        outputSchema: { anyOf: [{ type: 'object' }, { type: 'null' }] },
      },
    ],
    nextCursor: '',
    ...cached,
  },
  'tools/call': { content: [...blocks], structuredContent: ['a', 'b'], isError: false, _meta: meta },
  'prompts/list': {
    prompts: [{ name: 'p', title: 'P', icons, arguments: [{ name: 'a', title: 'A', required: true }], _meta: meta }],
    ...cached,
  },
  'prompts/get': { description: 'd', messages: blocks.map((content) => ({ role: 'user', content })) },
  'resources/list': {
    resources: [{ uri: 'file:///a', name: 'a', title: 'A', icons, size: 3, annotations: { priority: 0 }, _meta: meta }],
    ...cached,
  },
  'resources/templates/list': {
    resourceTemplates: [{ uriTemplate: 'file:///{+a}', name: 'a', title: 'A', icons, _meta: meta }],
    ...cached,
  },
  'resources/read': { contents: [{ uri: 'file:///a', mimeType: 'text/plain', text: 'a', _meta: meta }], ...cached },
  'completion/complete': { completion: { values: ['a'], total: 1, hasMore: false } },
};

const legacySchemas: Readonly<Record<string, Schema>> = {
  'tools/list': legacy.ListToolsResultSchema,
  'tools/call': legacy.CallToolResultSchema,
  'prompts/list': legacy.ListPromptsResultSchema,
  'prompts/get': legacy.GetPromptResultSchema,
  'resources/list': legacy.ListResourcesResultSchema,
  'resources/templates/list': legacy.ListResourceTemplatesResultSchema,
  'resources/read': legacy.ReadResourceResultSchema,
  'completion/complete': legacy.CompleteResultSchema,
};

const modernSchemas: Readonly<Record<string, Schema>> = {
  'tools/list': modern.ListToolsResultSchema,
  'tools/call': modern.CallToolResultSchema,
  'prompts/list': modern.ListPromptsResultSchema,
  'prompts/get': modern.GetPromptResultSchema,
  'resources/list': modern.ListResourcesResultSchema,
  'resources/templates/list': modern.ListResourceTemplatesResultSchema,
  'resources/read': modern.ReadResourceResultSchema,
  'completion/complete': modern.CompleteResultSchema,
};

/** Members by the first revision that has them, other than `_meta` of results, which all have. */
const newer: readonly (readonly [string, RegExp])[] = [
  ['2025-03-26', /"type":"audio"|"readOnlyHint"/],
  ['2025-06-18', /"type":"resource_link"|"title":"[AP]"|"outputSchema"|"structuredContent"|"title":"All","icons"/],
  ['2025-11-25', /"icons"|"execution"/],
  ['2026-07-28', /"resultType"|"ttlMs"|"cacheScope"/],
];

const methods = Object.keys(canonical);
const cells = methods.flatMap((method) => legacyVersions.map((version) => [method, version] as const));

function sample(method: string): JsonObject {
  return { resultType: 'complete', ...canonical[method] };
}

describe('a modern server for a legacy client', () => {
  test.each(cells)('%s as %s sees it is valid there and holds nothing newer', (method, version) => {
    const before = structuredClone(sample(method));
    const result = toLegacyResult(method, before, { version });
    expect(() => legacySchemas[method]?.parse(result)).not.toThrow();
    const text = JSON.stringify(result);
    for (const [since, members] of newer) if (version < since) expect(text).not.toMatch(members);
    expect(before).toEqual(sample(method));
  });

  test.each(legacyVersions)('initialize of %s tells what discovery told', (version) => {
    const discover: JsonObject = {
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: {
        tools: { listChanged: true },
        completions: {},
        extensions: { 'io.modelcontextprotocol/tasks': {} },
      },
      instructions: 'Be kind.',
      ttlMs: 1,
      cacheScope: 'public',
    };
    const result = toInitializeResult(discover, version, { name: 'g', version: '1', title: 'G', icons });
    expect(() => legacy.InitializeResultSchema.parse(result)).not.toThrow();
    expect(result).toMatchObject({ protocolVersion: version, capabilities: { tools: { listChanged: true } } });
    const text = JSON.stringify(result);
    expect(text.includes('"title"')).toBe(version >= '2025-06-18');
    expect(text.includes('"icons"')).toBe(version >= '2025-11-25');
    expect(text.includes('"completions"')).toBe(version >= '2025-03-26');
    expect(text.includes('"tasks":{')).toBe(version >= '2025-11-25');
  });

  test.each(legacyVersions)('a form reaches clients of %s where the revision has forms', (version) => {
    const request: JsonObject = {
      method: 'elicitation/create',
      params: {
        mode: 'form',
        message: 'Which?',
        requestedSchema: {
          type: 'object',
          properties: {
            one: { type: 'string', oneOf: [{ const: 'a', title: 'A' }] },
            many: { type: 'array', items: { type: 'string', enum: ['a', 'b'] } },
          },
        },
      },
    };
    const question = toLegacyQuestion(request, { version, newElicitationId: () => 'id' });
    expect(question !== undefined).toBe(version >= '2025-06-18');
    if (question) expect(() => legacy.ElicitRequestSchema.parse(question)).not.toThrow();
  });

  test.each(legacyVersions)('sampling reaches clients of %s as single blocks or as lists', (version) => {
    const request: JsonObject = {
      method: 'sampling/createMessage',
      params: {
        maxTokens: 5,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'a' },
              { type: 'audio', data: '', mimeType: 'audio/wav' },
            ],
          },
        ],
      },
    };
    const question = toLegacyQuestion(request, { version, newElicitationId: () => 'id' });
    expect(() => legacy.CreateMessageRequestSchema.parse(question)).not.toThrow();
    const messages = question?.params.messages;
    expect(Array.isArray(messages) && messages.length).toBe(version >= '2025-11-25' ? 1 : 2);
    expect(JSON.stringify(question).includes('audio"')).toBe(version >= '2025-03-26');
  });

  test.each(legacyVersions)('progress, logs and changes reach clients of %s', (version) => {
    const id = { 'io.modelcontextprotocol/subscriptionId': 7 };
    const progress = { progressToken: 1, progress: 1, message: 'half' };
    const sent: readonly Notification[] = [
      { method: 'notifications/progress', params: progress },
      { method: 'notifications/message', params: { level: 'info', data: 'x' } },
      { method: 'notifications/resources/updated', params: { uri: 'file:///a', _meta: id } },
      { method: 'notifications/tools/list_changed', params: { _meta: id } },
    ];
    for (const notification of sent) {
      const told = toLegacyNotification(notification, version);
      expect(() => legacy.ServerNotificationSchema.parse(told)).not.toThrow();
      expect(JSON.stringify(told)).not.toContain('subscriptionId');
      if (version < '2025-03-26') expect(told?.params).not.toHaveProperty('message');
    }
  });
});

describe('a legacy server for a modern client', () => {
  test.each(cells)('%s of %s is valid in 2026-07-28', (method, version) => {
    const older = toLegacyResult(method, sample(method), { version });
    const result = toCanonicalResult(method, older);
    expect(() => modernSchemas[method]?.parse(result)).not.toThrow();
    expect(result.resultType).toBe('complete');
    if (isCacheable(method)) expect(result).toMatchObject({ ttlMs: 0, cacheScope: 'private' });
    else expect(result).not.toHaveProperty('ttlMs');
  });

  test('what initialize answered becomes a discovery', () => {
    const capabilities = { tools: {}, tasks: { requests: { tools: { call: {} } } } };
    const result = toDiscoverResult({
      protocolVersion: '2025-11-25',
      capabilities,
      serverInfo: { name: 's', version: '1' },
    });
    expect(() => modern.DiscoverResultSchema.parse(result)).not.toThrow();
    expect(result).toMatchObject({
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: {}, extensions: { 'io.modelcontextprotocol/tasks': {} } },
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 's', version: '1' } },
    });
    expect(result.capabilities).not.toHaveProperty('tasks');
  });

  test('skills carry the members that their schema requires', () => {
    const skill = { uri: 'skill://a', frontmatter: { name: 'a', description: 'b' }, resources: 'dynamic' };
    const result = toCanonicalResult('skills/list', { skills: [skill] });
    expect(() => skills.ListSkillsResultSchema.parse(result)).not.toThrow();
  });
});
