/** The official servers behind the adapter, each as a stranger wrote it. */
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Upstream } from '#adapters/upstream/upstream.ts';
import { systemClock } from '#core/clock.ts';
import { asServerId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { openSession, rpc, textOf, toolCall } from '#kit/drive.ts';
import { openRunner, type Runner } from '#runner/runner.ts';
import { openStdioUpstream } from './stdio.ts';

const require = createRequire(import.meta.url);
const bin = (name: string) =>
  join(require.resolve(`@modelcontextprotocol/${name}/package.json`), '..', 'dist', 'index.js');

let folder = '';
let runner: Runner;
let upstream: Upstream | undefined;
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'stdio-')));
  runner = openRunner({ clock: systemClock, log: silentLog, env: process.env });
});
afterEach(async () => {
  await upstream?.close();
});
afterAll(async () => {
  await runner.close();
  await rm(folder, { recursive: true });
});

function open(name: string, args: readonly string[] = [], env: Record<string, string> = {}): Upstream {
  upstream = openStdioUpstream(
    {
      id: asServerId('00000000-0000-7000-8000-0000000000aa'),
      key: name,
      org: undefined,
      transport: { kind: 'stdio', command: process.execPath, args: [bin(name), ...args], env, state: 'stateful' },
    },
    { clock: systemClock, log: silentLog, runner },
  );
  return upstream;
}

test('server-everything: lists, tools, progress and a sampling question', async () => {
  const { opened, send } = await openSession(open('server-everything', ['stdio']));
  expect(JSON.parse(opened.messages.at(-1) ?? '').result.serverInfo.name).toContain('everything');
  const stream = send({ method: 'GET' });
  const list = await send(rpc(1, 'tools/list')).done;
  const tools: { name: string }[] = JSON.parse(list.messages.at(-1) ?? '').result.tools;
  const names = tools.map((tool) => tool.name);
  expect(names).toContain('echo');
  expect(textOf(await send(toolCall('e', 'echo', { message: 'hello' })).done)).toContain('hello');
  const operation = names.find((name) => name.includes('long-running') || name === 'longRunningOperation') ?? '';
  const long = await send(toolCall('l', operation, { duration: 0.2, steps: 2 }, { progressToken: 'p' })).done;
  expect(long.messages.filter((message) => message.includes('notifications/progress'))).toHaveLength(2);
  const sampling = names.find((name) => name.includes('sampling') || name === 'sampleLLM') ?? '';
  const asking = send(toolCall('s', sampling, { prompt: 'p', maxTokens: 5 }));
  let question = JSON.parse(await asking.next());
  while (question.method !== 'sampling/createMessage') {
    // It also asks for roots, after the handshake.
    await send({ body: Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: question.id, result: { roots: [] } })) }).done;
    question = JSON.parse(await asking.next());
  }
  const result = { role: 'assistant', model: 'm', content: { type: 'text', text: 'sampled words' } };
  await send({ body: Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: question.id, result })) }).done;
  expect(JSON.stringify((await asking.done).messages.at(-1))).toContain('sampled words');
  stream.exchange.abort();
});

test('server-filesystem reads inside its folder only', async () => {
  await writeFile(join(folder, 'a.txt'), 'the content');
  const { send } = await openSession(open('server-filesystem', [folder]), {}, { capabilities: {} });
  const read = await send(toolCall(1, 'read_text_file', { path: join(folder, 'a.txt') })).done;
  expect(textOf(read)).toBe('the content');
  expect(textOf(await send(toolCall(2, 'read_text_file', { path: '/etc/passwd' })).done)).toMatch(/denied/i);
});

test('server-memory keeps what it was told', async () => {
  const { send } = await openSession(open('server-memory', [], { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') }));
  const entities = [{ name: 'Ada', entityType: 'person', observations: ['wrote programs'] }];
  await send(toolCall(1, 'create_entities', { entities })).done;
  expect(textOf(await send(toolCall(2, 'read_graph')).done)).toContain('wrote programs');
});

test('server-sequential-thinking thinks', async () => {
  const { send } = await openSession(open('server-sequential-thinking'));
  const thought = { thought: 'one', thoughtNumber: 1, totalThoughts: 1, nextThoughtNeeded: false };
  expect(textOf(await send(toolCall(1, 'sequentialthinking', thought)).done)).toContain('thoughtHistoryLength');
});
