import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema, LoggingMessageNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ConformanceServer, startConformanceServer } from '#kit/conformance-server.ts';
import { startSubject } from '#kit/conformance-subject.ts';

const info = { name: 'sdk-test', version: '1.0.0' };
const requestInit = { headers: {} };

describe('the official clients', () => {
  let fixture: ConformanceServer;
  let subject: Awaited<ReturnType<typeof startSubject>>;
  beforeAll(async () => {
    fixture = await startConformanceServer();
    subject = await startSubject(fixture.url);
  });
  afterAll(async () => {
    await subject?.close();
    await fixture.close();
  });
  const address = () => new URL(subject.url);

  describe('version 1', () => {
    let client: OldClient;
    let transport: OldTransport;
    const logs: unknown[] = [];
    beforeAll(async () => {
      client = new OldClient(info, { capabilities: { elicitation: {}, sampling: {} } });
      client.setRequestHandler(ElicitRequestSchema, async () => ({
        action: 'accept',
        content: { username: 'ada', email: 'a@example.org' },
      }));
      client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void logs.push(params.data));
      transport = new OldTransport(address(), { requestInit });
      await client.connect(transport);
    });
    afterAll(() => client.close());

    test('initializes, lists and calls [S0.9]', async () => {
      expect(client.getServerVersion()?.name).toBe('conformance-fixture');
      expect((await client.listTools()).tools.map(({ name }) => name)).toContain('test_simple_text');
      const { content } = await client.callTool({ name: 'test_simple_text' });
      expect(content).toEqual([{ type: 'text', text: 'This is a simple text response for testing.' }]);
    });

    test('reads resources and prompts [S0.9]', async () => {
      const { contents } = await client.readResource({ uri: 'test://template/7/data' });
      expect(contents[0]).toMatchObject({ mimeType: 'application/json' });
      const { messages } = await client.getPrompt({
        name: 'test_prompt_with_arguments',
        arguments: { arg1: 'a', arg2: 'b' },
      });
      expect(messages[0]?.content).toMatchObject({ text: "Prompt with arguments: arg1='a', arg2='b'" });
    });

    test('sees progress and logs while a call runs', async () => {
      const seen: number[] = [];
      await client.callTool({ name: 'test_tool_with_progress', arguments: {} }, undefined, {
        onprogress: ({ progress }) => void seen.push(progress),
      });
      expect(seen).toEqual([0, 50, 100]);
      await client.callTool({ name: 'test_tool_with_logging', arguments: {} });
      expect(logs).toHaveLength(3);
    });

    test('answers a question in the middle of a call', async () => {
      const { content } = await client.callTool({ name: 'test_elicitation', arguments: { message: 'who?' } });
      expect(JSON.stringify(content)).toContain('ada');
    });

    test('takes up a stream that was closed', async () => {
      const { content } = await client.callTool({ name: 'test_reconnection', arguments: {} });
      expect(content).toEqual([{ type: 'text', text: 'Answered after the stream was closed' }]);
    });

    test('ends its session', async () => {
      const before = fixture.sessions();
      await transport.terminateSession();
      expect(fixture.sessions()).toBe(before - 1);
    });
  });

  describe.each([
    ['that finds the era by itself', 'auto' as const],
    ['pinned to 2026-07-28', { pin: '2026-07-28' }],
  ])('version 2 %s', (_what, mode) => {
    let client: Client;
    beforeAll(async () => {
      client = new Client(info, {
        capabilities: { elicitation: { form: {} }, sampling: {} },
        versionNegotiation: { mode },
      });
      client.setRequestHandler('elicitation/create', async () => ({ action: 'accept', content: { name: 'Ada' } }));
      await client.connect(new StreamableHTTPClientTransport(address(), { requestInit }));
    });
    afterAll(() => client.close());

    test('speaks the modern era, lists, calls and reads [S0.9]', async () => {
      expect(client.getNegotiatedProtocolVersion()).toBe('2026-07-28');
      expect((await client.listTools()).tools.map(({ name }) => name)).toContain('test_simple_text');
      const { content } = await client.callTool({ name: 'test_simple_text' });
      expect(content).toEqual([{ type: 'text', text: 'This is a simple text response for testing.' }]);
      const { contents } = await client.readResource({ uri: 'test://static-text' });
      expect(contents[0]).toMatchObject({ text: 'This is the content of the static text resource.' });
      expect((await client.getPrompt({ name: 'test_simple_prompt' })).messages).toHaveLength(1);
    });

    test('answers what a call asks for and is called again', async () => {
      const { content } = await client.callTool({ name: 'test_input_required_result_elicitation', arguments: {} });
      expect(content).toEqual([{ type: 'text', text: 'Hello, Ada!' }]);
    });

    test('sees progress', async () => {
      const seen: number[] = [];
      await client.callTool(
        { name: 'test_tool_with_progress', arguments: {} },
        { onprogress: ({ progress }) => void seen.push(progress) },
      );
      expect(seen).toEqual([0, 50, 100]);
    });
  });
});
