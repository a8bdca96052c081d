import { describe, expect, test } from 'vitest';
import type { JsonObject } from '#core/json.ts';
import {
  isLogged,
  logLevels,
  notificationExists,
  subscriptionIdOf,
  toCanonicalNotification,
  toLegacyNotification,
  withoutSubscriptionId,
  withSubscriptionId,
} from './notifications.ts';
import { honouredFilter, passesFilter } from './subscriptions.ts';

test.each<[string, 'client' | 'server', readonly string[]]>([
  ['notifications/initialized', 'client', ['2024-11-05', '2025-11-25']],
  ['notifications/roots/list_changed', 'client', ['2024-11-05', '2025-11-25']],
  ['notifications/progress', 'client', ['2024-11-05', '2025-11-25']],
  ['notifications/progress', 'server', ['2024-11-05', '2025-11-25', '2026-07-28']],
  ['notifications/message', 'server', ['2024-11-05', '2025-11-25', '2026-07-28']],
  ['notifications/message', 'client', []],
  ['notifications/elicitation/complete', 'server', ['2025-11-25']],
  ['notifications/tasks/status', 'client', ['2025-11-25']],
  ['notifications/tasks', 'server', ['2026-07-28']],
  ['notifications/subscriptions/acknowledged', 'server', ['2026-07-28']],
  ['notifications/com.example', 'server', ['2024-11-05', '2025-11-25', '2026-07-28']],
])('%s of a %s exists in %j', (method, from, revisions) => {
  const known = ['2024-11-05', '2025-11-25', '2026-07-28'].filter((version) =>
    notificationExists(method, from, version),
  );
  expect(known).toEqual(revisions);
});

test('what a revision lacks is not told', () => {
  const acknowledged = { method: 'notifications/subscriptions/acknowledged', params: {} };
  expect(toLegacyNotification(acknowledged, '2025-11-25')).toBeUndefined();
  expect(toCanonicalNotification({ method: 'notifications/elicitation/complete', params: {} })).toBeUndefined();
});

test('the state of a task is told in the words of each era', () => {
  const core = { taskId: 't', status: 'working', createdAt: 'c', lastUpdatedAt: 'l', ttl: 5, pollInterval: 7 };
  const extension = toCanonicalNotification({ method: 'notifications/tasks/status', params: core });
  expect(extension).toEqual({
    method: 'notifications/tasks',
    params: { taskId: 't', status: 'working', createdAt: 'c', lastUpdatedAt: 'l', ttlMs: 5, pollIntervalMs: 7 },
  });
  if (!extension) return;
  expect(toLegacyNotification(extension, '2025-11-25')).toEqual({ method: 'notifications/tasks/status', params: core });
  expect(toLegacyNotification(extension, '2025-06-18')).toBeUndefined();
});

test('the id of a subscription is put in and taken out', () => {
  const told = withSubscriptionId({ uri: 'a:' }, 'id');
  expect(subscriptionIdOf(told)).toBe('id');
  expect(withoutSubscriptionId(told)).toEqual({ uri: 'a:' });
  expect(withSubscriptionId(undefined, 0)).toEqual({ _meta: { 'io.modelcontextprotocol/subscriptionId': 0 } });
});

test('log messages reach who asked for their level, and nobody who asked for none', () => {
  expect(logLevels.filter((level) => isLogged(level, 'error'))).toEqual(['error', 'critical', 'alert', 'emergency']);
  expect(isLogged('emergency', undefined)).toBe(false);
  expect(isLogged('shout', 'debug')).toBe(false);
  expect(isLogged('error', 'whisper')).toBe(false);
});

describe('a subscription', () => {
  const filter: JsonObject = { toolsListChanged: true, resourceSubscriptions: ['a:1'], taskIds: ['t'] };
  const passes = (method: string, params?: JsonObject) => passesFilter({ method, params }, filter);

  test('lets through what it asked for and nothing else', () => {
    expect(passes('notifications/tools/list_changed')).toBe(true);
    expect(passes('notifications/prompts/list_changed')).toBe(false);
    expect(passes('notifications/resources/updated', { uri: 'a:1' })).toBe(true);
    expect(passes('notifications/resources/updated', { uri: 'a:2' })).toBe(false);
    expect(passes('notifications/tasks', { taskId: 't' })).toBe(true);
    expect(passes('notifications/message', { level: 'info' })).toBe(false);
    expect(passes('notifications/progress', { progressToken: 1 })).toBe(false);
  });

  test('is honoured as far as the server can', () => {
    const capabilities = { tools: { listChanged: true }, resources: { subscribe: false } };
    expect(honouredFilter({ ...filter, promptsListChanged: true }, capabilities)).toEqual({ toolsListChanged: true });
    const extensions = { 'io.modelcontextprotocol/tasks': {} };
    expect(honouredFilter(filter, { resources: { subscribe: true }, extensions })).toEqual({
      resourceSubscriptions: ['a:1'],
      taskIds: ['t'],
    });
  });
});
