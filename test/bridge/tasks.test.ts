/** Tasks in all four cells: the core protocol of 2025-11-25 and the extension of 2026-07-28, each to servers of both. */
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema, ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { type Content, type ModernWire, openModernWire, type WireRefusal } from '#kit/modern-wire.ts';
import { startLegacyTaskServer } from '#kit/task-servers/legacy.ts';
import { startModernTaskServer } from '#kit/task-servers/modern.ts';
import type { TaskServer } from '#kit/task-servers/task-server.ts';

const eras = ['legacy', 'modern'] as const;
type Era = (typeof eras)[number];

let servers: Record<Era, TaskServer>;
let gateway: RunningGateway;
let key: string;
beforeAll(async () => {
  servers = { legacy: await startLegacyTaskServer(), modern: await startModernTaskServer() };
  gateway = await startGateway({ configYaml: yaml(servers.legacy.url, servers.modern.url) });
  key = await createKey(gateway);
});
afterAll(async () => {
  await gateway?.stop();
  for (const server of Object.values(servers ?? {})) await server.close();
});

const yaml = (legacy: string, modern: string) => `
organizations: [{ slug: demo, name: Demo }]
servers:
  - { key: legacy, title: Legacy, transport: { kind: http, url: '${legacy}' } }
  - { key: modern, title: Modern, transport: { kind: http, url: '${modern}' } }
collections:
  - { organization: demo, name: both, allowedRoles: '*', bindings: [{ server: legacy }, { server: modern }] }
  - { organization: demo, name: other, allowedRoles: '*', bindings: [{ server: legacy }, { server: modern }] }
enablements:
  - { organization: demo, server: legacy, allMembers: true }
  - { organization: demo, server: modern, allMembers: true }
egress: { allow: ['127.0.0.1'] }
`;

const forms = { elicitation: { form: {} } };
const tasks = { ...forms, extensions: { 'io.modelcontextprotocol/tasks': {} } };
const wire = (path = 'both', as = key) => openModernWire(`${gateway.url}/demo/mcp/${path}`, as, tasks);

const textOf = (result: unknown) => JSON.stringify(result);

async function untilNot(client: ModernWire, taskId: unknown, status: string): Promise<Content> {
  for (let n = 0; n < 100; n++) {
    const task = await client.request('tasks/get', { taskId });
    if (task.status !== status) return task;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the task stays ${status}`);
}

describe.each(eras)('a modern client and a %s server', (server) => {
  const call = (client: ModernWire, name: string, args: Content = {}, capabilities?: Content) =>
    client.request('tools/call', { name: `${server}_${name}`, arguments: args }, capabilities);

  test('a call becomes a task that is looked at until its result is there', async () => {
    const client = wire();
    const created = await call(client, 'slow_compute', { seconds: 0.2, label: 'x' });
    expect(created).toMatchObject({ resultType: 'task', status: 'working' });
    const task = await untilNot(client, created.taskId, 'working');
    expect(task).toMatchObject({ status: 'completed', taskId: created.taskId });
    expect(textOf(task.result)).toContain('Computed x');
  });

  test("a tool's own failure is a result, the server's is an error", async () => {
    const client = wire();
    const failing = await call(client, 'failing_job');
    expect(await untilNot(client, failing.taskId, 'working')).toMatchObject({
      status: 'completed',
      result: { isError: true },
    });
    const faulty = await call(client, 'protocol_error_job');
    const task = await untilNot(client, faulty.taskId, 'working');
    expect(task.status).toBe('failed');
    expect(task.error).toMatchObject({ code: expect.any(Number) });
  });

  test('a task is cancelled, twice is once', async () => {
    const client = wire();
    const { taskId } = await call(client, 'slow_compute', { seconds: 30, label: 'x' });
    expect(await client.request('tasks/cancel', { taskId })).toEqual({ resultType: 'complete' });
    expect(await untilNot(client, taskId, 'working')).toMatchObject({ status: 'cancelled' });
    expect(await client.request('tasks/cancel', { taskId })).toEqual({ resultType: 'complete' });
  });

  test('questions of a task are answered one by one, and the tool runs once', async () => {
    const client = wire();
    const before = servers[server].runs.length;
    const { taskId } = await call(client, 'multi_input');
    const asked = await untilNot(client, taskId, 'working');
    const both = await untilAsked(client, taskId, 2);
    expect(asked.status).toBe('input_required');
    const [first = '', second = ''] = Object.keys(both);
    await client.request('tasks/update', { taskId, inputResponses: { [first]: accept({ name: 'Ann' }) } });
    expect(Object.keys(await untilAsked(client, taskId, 1))).toEqual([second]);
    await client.request('tasks/update', { taskId, inputResponses: { [second]: accept({ name: 'Bob' }) } });
    const done = await untilNot(client, taskId, 'input_required').then(() => untilNot(client, taskId, 'working'));
    expect(textOf(done.result)).toContain('Ann and Bob');
    expect(servers[server].runs.slice(before)).toEqual(['multi_input']);
  });

  test('a question before there is a task is answered first', async () => {
    const client = wire();
    const asked = await call(client, 'test_tool_with_task');
    expect(asked.resultType).toBe('input_required');
    const [question = ''] = Object.keys(asked.inputRequests as object);
    const created = await client.request('tools/call', {
      name: `${server}_test_tool_with_task`,
      arguments: {},
      inputResponses: { [question]: accept({ name: 'Alice' }) },
      requestState: asked.requestState,
    });
    expect(created).toMatchObject({ resultType: 'task' });
    const task = await untilNot(client, created.taskId, 'working');
    expect(textOf(task.result)).toContain('Alice');
  });

  test('whoever else has the id has nothing: another key, another endpoint, a changed letter [C6]', async () => {
    const client = wire();
    const { taskId } = await call(client, 'slow_compute', { seconds: 1, label: 'x' });
    const stranger = wire('both', await createKey(gateway));
    const unknown = { code: -32602, message: 'Unknown task' };
    const refused = (by: ModernWire, id: unknown) =>
      by.request('tasks/get', { taskId: id }).catch((error: WireRefusal) => error);
    expect(await refused(stranger, taskId)).toMatchObject(unknown);
    expect(await refused(wire('other'), taskId)).toMatchObject(unknown);
    expect(await refused(client, `${String(taskId).slice(0, -3)}AAA`)).toMatchObject(unknown);
    expect(await refused(client, 'never-was')).toMatchObject(unknown);
    expect(await refused(client, taskId)).toMatchObject({ taskId });
  });

  test('a client that knows no tasks is told so, and gets results of calls all the same', async () => {
    const client = wire();
    const { taskId } = await call(client, 'slow_compute', { seconds: 0.1, label: 'x' });
    await expect(client.request('tasks/get', { taskId }, forms)).rejects.toMatchObject({ status: 400, code: -32021 });
    const result = await call(client, 'slow_compute', { seconds: 0, label: 'now' }, forms);
    expect(textOf(result)).toContain('Computed now');
  });
});

const accept = (content: Content) => ({ action: 'accept', content });

async function untilAsked(client: ModernWire, taskId: unknown, wanted: number): Promise<object> {
  for (let n = 0; n < 100; n++) {
    const { inputRequests } = await client.request('tasks/get', { taskId });
    if (inputRequests && Object.keys(inputRequests).length === wanted) return inputRequests;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the task never asked ${wanted} things`);
}

test('a legacy tool that must be a task works for a modern client that knows none: it is waited for, questions included', async () => {
  const client = wire();
  const before = servers.legacy.runs.length;
  const request = { name: 'legacy_confirm_delete', arguments: { filename: 'a.txt' } };
  const asked = await client.request('tools/call', request, forms);
  expect(asked.resultType).toBe('input_required');
  const [question = ''] = Object.keys(asked.inputRequests as object);
  const answers = { inputResponses: { [question]: accept({ confirm: true }) }, requestState: asked.requestState };
  const result = await client.request('tools/call', { ...request, ...answers }, forms);
  expect(result).toMatchObject({ resultType: 'complete', content: [{ type: 'text', text: 'a.txt: deleted' }] });
  expect(servers.legacy.runs.slice(before)).toEqual(['confirm_delete']);
});

test('a modern tool that must be a task refuses a modern client that knows none', async () => {
  await expect(
    wire().request('tools/call', { name: 'modern_failing_job', arguments: {} }, forms),
  ).rejects.toMatchObject({ status: 400, code: -32021 });
});

describe.each(eras)('a legacy client and a %s server', (server) => {
  let client: LegacyClient;
  beforeAll(async () => {
    client = new LegacyClient(
      { name: 'legacy', version: '1' },
      { capabilities: { elicitation: { form: {} }, tasks: {} } },
    );
    client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'accept', content: { confirm: true } }));
    const requestInit = { headers: { authorization: `Bearer ${key}` } };
    await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/demo/mcp/both`), { requestInit }));
  });
  afterAll(() => client?.close());

  async function run(name: string, args: Record<string, unknown>): Promise<readonly unknown[]> {
    await client.listTools();
    const messages: unknown[] = [];
    const params = { name: `${server}_${name}`, arguments: args };
    const stream = client.experimental.tasks.callToolStream(params, CallToolResultSchema, { task: { ttl: 60_000 } });
    for await (const message of stream) messages.push(message);
    return messages;
  }

  test('a call becomes a task whose result is waited for', async () => {
    expect(client.getServerCapabilities()?.tasks?.requests?.tools?.call).toBeDefined();
    const messages = await run('slow_compute', { seconds: 0.2, label: 'x' });
    expect(messages[0]).toMatchObject({ type: 'taskCreated' });
    expect(textOf(messages.at(-1))).toContain('Computed x');
  });

  test('questions of a task reach the client', async () => {
    const messages = await run('confirm_delete', { filename: 'b.txt' });
    expect(textOf(messages.at(-1))).toContain('b.txt: deleted');
  });

  test('a task is cancelled', async () => {
    await client.listTools();
    const params = { name: `${server}_slow_compute`, arguments: { seconds: 30, label: 'x' } };
    const stream = client.experimental.tasks.callToolStream(params, CallToolResultSchema, { task: {} });
    const first = await stream.next();
    const taskId = first.value?.type === 'taskCreated' ? first.value.task.taskId : '';
    expect((await client.experimental.tasks.cancelTask(taskId)).status).toBe('cancelled');
    await expect(client.experimental.tasks.cancelTask(taskId)).rejects.toMatchObject({ code: -32602 });
  });

  test('a call that asks for no task gets its result, also where the server insists on one', async () => {
    await client.listTools();
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toContain(`${server}_failing_job`);
    const params = { name: `${server}_failing_job`, arguments: {} };
    const result = await client.request({ method: 'tools/call', params }, CallToolResultSchema);
    expect(result).toMatchObject({ isError: true, content: [{ text: 'It went wrong' }] });
  });
});

test('what a modern server finishes at once is a finished task to a legacy client that asked for one', async () => {
  const client = new LegacyClient({ name: 'legacy', version: '1' }, { capabilities: {} });
  const requestInit = { headers: { authorization: `Bearer ${key}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/demo/mcp/modern`), { requestInit }));
  await client.listTools();
  const params = { name: 'greet', arguments: { name: 'Eve' } };
  const stream = client.experimental.tasks.callToolStream(params, CallToolResultSchema, { task: {} });
  const messages: unknown[] = [];
  for await (const message of stream) messages.push(message);
  expect(messages[0]).toMatchObject({ type: 'taskCreated', task: { status: 'completed' } });
  expect(textOf(messages.at(-1))).toContain('Hello, Eve!');
  await client.close();
});
