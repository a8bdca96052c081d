import { expect, test } from 'vitest';
import { requestExists, toCanonicalParams, toLegacyParams } from './requests.ts';

test.each<[string, readonly string[]]>([
  ['tools/call', ['2024-11-05', '2025-06-18', '2025-11-25', '2026-07-28']],
  ['initialize', ['2024-11-05', '2025-06-18', '2025-11-25']],
  ['logging/setLevel', ['2024-11-05', '2025-06-18', '2025-11-25']],
  ['resources/subscribe', ['2024-11-05', '2025-06-18', '2025-11-25']],
  ['server/discover', ['2026-07-28']],
  ['subscriptions/listen', ['2026-07-28']],
  ['tasks/get', ['2025-11-25', '2026-07-28']],
  ['tasks/result', ['2025-11-25']],
  ['tasks/update', ['2026-07-28']],
  ['skills/list', ['2024-11-05', '2025-06-18', '2025-11-25', '2026-07-28']],
])('%s exists in %j', (method, revisions) => {
  const all = ['2024-11-05', '2025-06-18', '2025-11-25', '2026-07-28'];
  expect(all.filter((version) => requestExists(method, version))).toEqual(revisions);
});

test('a legacy call that asks for a task says so, and cannot pass as a modern retry', () => {
  const params = { name: 't', task: { ttl: 5 }, requestState: 'x', inputResponses: {} };
  expect(toCanonicalParams('tools/call', params, '2025-11-25')).toEqual({ params: { name: 't' }, asksTask: true });
  expect(toCanonicalParams('tools/call', params, '2025-06-18').asksTask).toBe(false);
});

test('a legacy server gets a task asked for where its revision has tasks', () => {
  const params = { name: 't', requestState: 'x' };
  expect(toLegacyParams('tools/call', params, { version: '2025-11-25', task: { ttlMs: 5 } })).toEqual({
    name: 't',
    task: { ttl: 5 },
  });
  expect(toLegacyParams('tools/call', params, { version: '2025-11-25', task: {} })).toEqual({ name: 't', task: {} });
  expect(toLegacyParams('tools/call', params, { version: '2025-06-18', task: {} })).toEqual({ name: 't' });
});

test('completions know their context since 2025-06-18', () => {
  const params = { ref: { type: 'ref/prompt', name: 'p' }, context: { arguments: {} } };
  expect(toLegacyParams('completion/complete', params, { version: '2025-03-26' })).not.toHaveProperty('context');
  expect(toLegacyParams('completion/complete', params, { version: '2025-06-18' })).toEqual(params);
});
