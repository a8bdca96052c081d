/** Clients of streamable HTTP in front of servers that speak only HTTP+SSE. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Client as NewClient, StreamableHTTPClientTransport as NewTransport } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Subject, startSubject } from '#kit/conformance-subject.ts';
import { freePort } from '#kit/listen.ts';
import { type SseServer, startSseServer } from '#kit/sse-server.ts';

const info = { name: 'sse-test', version: '1' };
const everything = join(
  createRequire(import.meta.url).resolve('@modelcontextprotocol/server-everything/package.json'),
  '../dist/index.js',
);

describe.each(['sse', 'http'] as const)('the official server of HTTP+SSE, given as %s', (kind) => {
  let server: SseServer;
  let subject: Subject;
  beforeAll(async () => {
    server = await startSseServer();
    subject = await startSubject(server.url, kind);
  });
  afterAll(async () => {
    await subject?.close();
    await server.close();
  });

  test('a client lists, calls, sees progress and is asked', async () => {
    const client = new Client(info, { capabilities: { elicitation: {} } });
    client.setRequestHandler(ElicitRequestSchema, async () => ({ action: 'accept', content: { name: 'Ada' } }));
    const transport = new StreamableHTTPClientTransport(new URL(subject.url));
    await client.connect(transport);
    expect(client.getServerVersion()?.name).toBe('sse-fixture');
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('echo');
    const seen: number[] = [];
    const onprogress = ({ progress }: { progress: number }) => void seen.push(progress);
    await client.callTool({ name: 'slow' }, undefined, { onprogress });
    expect(seen).toEqual([1, 2]);
    expect((await client.callTool({ name: 'ask' })).content).toEqual([{ type: 'text', text: 'accept Ada' }]);
    await transport.terminateSession();
    await client.close();
  });

  test('a client of both eras gets the modern one: the gateway bridges', async () => {
    const client = new NewClient(info, { versionNegotiation: { mode: 'auto' } });
    await client.connect(new NewTransport(new URL(subject.url)));
    expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28');
    expect((await client.callTool({ name: 'echo', arguments: { message: 'hi' } })).content).toEqual([
      { type: 'text', text: 'hi' },
    ]);
    await client.close();
  });

  test('a lost stream costs the session upstream, and the client hears nothing of it', async () => {
    const client = new Client(info);
    await client.connect(new StreamableHTTPClientTransport(new URL(subject.url)));
    server.dropAll();
    expect((await client.callTool({ name: 'count' })).content).toEqual([{ type: 'text', text: '1' }]);
    await client.close();
  });
});

describe('server-everything in its sse mode', () => {
  let child: ChildProcess;
  let subject: Subject;
  beforeAll(async () => {
    const port = await freePort();
    const env = { PATH: process.env.PATH, PORT: String(port) };
    child = spawn(process.execPath, [everything, 'sse'], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error('it ended')));
      child.stderr?.on('data', (text: Buffer) => text.includes('is running') && resolve());
    });
    subject = await startSubject(`http://127.0.0.1:${port}/sse`, 'sse');
  });
  afterAll(async () => {
    await subject?.close();
    child?.kill();
  });

  test('tools, progress, resources, prompts, completion, sampling and roots work', async () => {
    const client = new Client(info, { capabilities: { sampling: {}, roots: {} } });
    client.setRequestHandler(ListRootsRequestSchema, async () => ({ roots: [{ uri: 'file:///srv', name: 'srv' }] }));
    client.setRequestHandler(CreateMessageRequestSchema, async () => ({
      role: 'assistant',
      model: 'm',
      content: { type: 'text', text: 'sampled words' },
    }));
    await client.connect(new StreamableHTTPClientTransport(new URL(subject.url)));
    const names = (await client.listTools()).tools.map(({ name }) => name);
    expect(names).toContain('echo');
    const echo = await client.callTool({ name: 'echo', arguments: { message: 'hello' } });
    expect(JSON.stringify(echo.content)).toContain('hello');
    const seen: number[] = [];
    const long = names.find((name) => name.includes('long-running')) ?? '';
    const onprogress = ({ progress }: { progress: number }) => void seen.push(progress);
    await client.callTool({ name: long, arguments: { duration: 0.2, steps: 2 } }, undefined, { onprogress });
    expect(seen).toEqual([1, 2]);
    const { resources } = await client.listResources();
    const { contents } = await client.readResource({ uri: resources[0]?.uri ?? '' });
    expect(contents).toHaveLength(1);
    const { prompts } = await client.listPrompts();
    expect(prompts.length).toBeGreaterThan(0);
    const sampling = names.find((name) => name.includes('sampling')) ?? '';
    const sampled = await client.callTool({ name: sampling, arguments: { prompt: 'p', maxTokens: 5 } });
    expect(JSON.stringify(sampled.content)).toContain('sampled words');
    await client.close();
  });
});
