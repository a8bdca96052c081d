import * as legacy from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '#core/json.ts';
import { RpcError } from './errors.ts';
import { toCanonicalResult, toLegacyResult } from './results.ts';
import {
  declaresTasks,
  isTaskOpen,
  mapTaskIds,
  relatedTask,
  taskPayload,
  taskSupport,
  toCoreTask,
  toTaskDetails,
  withTasks,
} from './tasks.ts';

const core: JsonObject = {
  taskId: 't',
  status: 'working',
  createdAt: '2026-01-01T00:00:00Z',
  lastUpdatedAt: '2026-01-01T00:00:00Z',
  ttl: 60_000,
  pollInterval: 500,
};
const related = { 'io.modelcontextprotocol/related-task': { taskId: 't' } };

describe('a call that became a task', () => {
  const extension = {
    resultType: 'task',
    taskId: 't',
    status: 'working',
    createdAt: '2026-01-01T00:00:00Z',
    lastUpdatedAt: '2026-01-01T00:00:00Z',
    ttlMs: 60_000,
    pollIntervalMs: 500,
  };

  test('reads the same in both forms', () => {
    expect(toCanonicalResult('tools/call', { task: core, _meta: related })).toEqual(extension);
    const created = toLegacyResult('tools/call', extension, { version: '2025-11-25' });
    expect(() => legacy.CreateTaskResultSchema.parse(created)).not.toThrow();
    expect(created).toEqual({ task: core });
  });

  test('has no form before 2025-11-25', () => {
    expect(() => toLegacyResult('tools/call', extension, { version: '2025-06-18' })).toThrow('no form');
  });

  test('may live for ever', () => {
    expect(toCoreTask({ ...extension, ttlMs: null }).ttl).toBeNull();
  });
});

describe('the state of a task', () => {
  const completed = { ...core, status: 'completed' };
  const result = { content: [], _meta: related };

  test('comes with its result, its error or its questions', () => {
    expect(toTaskDetails(completed, { result })).toMatchObject({
      resultType: 'complete',
      status: 'completed',
      result: { content: [] },
    });
    expect(JSON.stringify(toTaskDetails(completed, { result }))).not.toContain('related-task');
    expect(toTaskDetails({ ...core, status: 'failed' }, { result: { content: [], isError: true } }).status).toBe(
      'completed',
    );
    const failed = toTaskDetails({ ...core, status: 'failed' }, { error: new RpcError(-32603, 'x') });
    expect(failed).toMatchObject({ status: 'failed', error: { code: -32603, message: 'x' } });
    const inputRequests = { a: { method: 'roots/list' } };
    expect(toTaskDetails({ ...core, status: 'input_required' }, { inputRequests })).toMatchObject({ inputRequests });
  });

  test('gives a legacy client what tasks/result would have', () => {
    expect(taskPayload(toTaskDetails(completed, { result }))).toEqual({ kind: 'result', result });
    expect(taskPayload({ taskId: 't', status: 'working' })).toEqual({ kind: 'open', inputRequests: undefined });
    expect(taskPayload({ taskId: 't', status: 'cancelled' })).toMatchObject({ kind: 'error', error: { code: -32603 } });
    expect(taskPayload({ status: 'failed', error: { code: 5, message: 'x' } })).toMatchObject({ error: { code: 5 } });
    expect([isTaskOpen(core), isTaskOpen(completed)]).toEqual([true, false]);
  });

  test('is valid for a legacy client', () => {
    const details = toTaskDetails(completed, { result });
    expect(() => legacy.GetTaskResultSchema.parse(toCoreTask(details))).not.toThrow();
    expect(toCoreTask(details)).toEqual(completed);
  });
});

test('ids are mapped wherever they stand', () => {
  const map = (id: string) => `a.${id}`;
  const everywhere = {
    taskId: 't',
    task: { taskId: 't' },
    tasks: [{ taskId: 't' }],
    _meta: related,
    notifications: { taskIds: ['t'] },
    content: [{ taskId: 't' }],
  };
  expect(mapTaskIds(everywhere, map)).toEqual({
    taskId: 'a.t',
    task: { taskId: 'a.t' },
    tasks: [{ taskId: 'a.t' }],
    _meta: { 'io.modelcontextprotocol/related-task': { taskId: 'a.t' } },
    notifications: { taskIds: ['a.t'] },
    content: [{ taskId: 't' }],
  });
  expect(relatedTask(everywhere)).toBe('t');
});

test('tools say whether they may become tasks, clients whether they can follow one', () => {
  expect(taskSupport({ execution: { taskSupport: 'required' } })).toBe('required');
  expect(taskSupport({ execution: { taskSupport: 'often' } })).toBe('forbidden');
  expect(taskSupport(undefined)).toBe('forbidden');
  expect(declaresTasks(withTasks({ extensions: { x: {} } }))).toBe(true);
  expect(declaresTasks({})).toBe(false);
});
