/** Tools as the organization wants them: gatehouse.yaml, as clients and servers of both eras see it. */
import type { Client } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createKey } from '#kit/gateway.ts';
import { send } from '#kit/http-client.ts';
import type { ToolServer } from '#kit/tool-server.ts';
import {
  type Answer,
  type Connecting,
  type Era,
  eras,
  type ShapingWorld,
  startShapingWorld,
  text,
  tools,
} from './shaping-world.ts';

let world: ShapingWorld;
let servers: ShapingWorld['servers'];
beforeAll(async () => {
  world = await startShapingWorld();
  servers = world.servers;
});
afterAll(() => world?.close());
beforeEach(() => world.reset());

const connect = (connecting: Connecting) => world.connect(connecting);
const namesOf = async (client: Client) => (await client.listTools()).tools.map(({ name }) => name);
const accept = (): Answer => ({ action: 'accept', content: {} });

describe.each(eras.flatMap((client) => eras.map((server) => ({ client, server }))))(
  'a $client client of a $server server',
  ({ client: era, server: key }) => {
    let server: ToolServer;
    beforeEach(() => {
      server = servers[key];
    });

    test('sees chosen tools under their new names and without fixed arguments', async () => {
      const client = await connect({ era, endpoint: `${key}-desk` });
      const listed = (await client.listTools()).tools;
      expect(listed.map(({ name }) => name)).toEqual(['close', 'read', 'find_tickets']);
      expect(listed[2]).toMatchObject({
        title: 'Find',
        description: 'Finds tickets.',
        inputSchema: {
          properties: { q: text, limit: { type: 'number', maximum: 50, default: 20 }, sort: { enum: ['new', 'old'] } },
          required: ['q'],
        },
      });
      expect(listed[2]?.inputSchema.properties).not.toHaveProperty('tenant');
    });

    test('calls by the new name, and the server gets what the rules say', async () => {
      const client = await connect({ era, endpoint: `${key}-desk` });
      await client.callTool({ name: 'find_tickets', arguments: { q: 'x', tenant: 'theirs', limit: 10 } });
      expect(server.calls).toEqual([{ name: 'search', arguments: { q: 'x', tenant: 'demo', limit: 10, sort: 'new' } }]);
    });

    test.each([
      ['its real name', 'search', { q: 'x' }],
      ['a tool that is not chosen', 'drop', {}],
      ['a look-alike', 'Search', { q: 'x' }],
      ['more than the maximum', 'find_tickets', { q: 'x', limit: 51 }],
      ['a value that is not allowed', 'find_tickets', { q: 'x', sort: 'price' }],
    ])('%s: refused with -32602, nothing is called', async (_what, name, args) => {
      const client = await connect({ era, endpoint: `${key}-desk` });
      await expect(client.callTool({ name, arguments: args })).rejects.toMatchObject({ code: -32602 });
      expect(server.calls).toEqual([]);
    });

    test('what is redacted comes back by no way', async () => {
      const data = { user: { name: 'Ann', ssn: '123-45-678' }, list: [{ phone: '0151-555-999' }] };
      const client = await connect({ era, endpoint: `${key}-desk` });
      const heard: string[] = [];
      client.setNotificationHandler('notifications/message', ({ params }) => void heard.push(JSON.stringify(params)));
      if (era === 'legacy') await client.setLoggingLevel('debug');
      const level = era === 'modern' ? { _meta: { 'io.modelcontextprotocol/logLevel': 'debug' } } : {};
      server.run = ({ log }) => {
        log(data);
        return {
          content: [
            { type: 'text', text: JSON.stringify(data) },
            { type: 'text', text: 'Call 0151-555-999.' },
          ],
          structuredContent: data,
        };
      };
      const result = await client.callTool({ name: 'read', arguments: {}, ...level });
      expect(JSON.stringify(result)).toContain('Ann');
      expect(JSON.stringify(result)).not.toMatch(/123-45|0151/);
      expect(heard.join()).toContain('Ann');
      expect(heard.join()).not.toContain('0151');
      server.run = () => ({ content: [{ type: 'text', text: '{"phone":"0151-555-999"}' }], isError: true });
      expect(JSON.stringify(await client.callTool({ name: 'read', arguments: {} }))).not.toContain('0151');
      server.run = () => ({ error: { code: -32603, message: 'Not 0151-555-999', data: { phone: '0151-555-999' } } });
      const thrown: unknown = await client.callTool({ name: 'read', arguments: {} }).catch((error: unknown) => error);
      expect(thrown).toBeInstanceOf(Error);
      expect(`${String(thrown)} ${JSON.stringify(thrown)}`).not.toContain('0151');
    });

    describe('where a person must agree', () => {
      test('a destructive tool runs once, with what was shown', async () => {
        const shown: string[] = [];
        const answer = (message: string) => {
          shown.push(message);
          return accept();
        };
        const client = await connect({ era, endpoint: `${key}-careful`, answer });
        const result = await client.callTool({ name: 'close', arguments: { id: 'T\u202e1', why: 'done' } });
        expect(result.isError).not.toBe(true);
        expect(server.calls).toEqual([{ name: 'close', arguments: { id: 'T\u202e1', why: 'done' } }]);
        expect(shown).toHaveLength(1);
        expect(shown[0]).toContain('close');
        expect(shown[0]).toContain('"why": "done"');
        expect(shown[0]).toContain('T\\u{202e}1');
        await client.callTool({ name: 'read', arguments: {} });
        expect(shown).toHaveLength(1);
      });

      test.each(['decline', 'cancel'] as const)('nothing runs after %s', async (action) => {
        const client = await connect({ era, endpoint: `${key}-careful`, answer: () => ({ action }) });
        const result = await client.callTool({ name: 'close', arguments: {} });
        expect(result).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('not agree') }] });
        expect(server.calls).toEqual([]);
      });

      test('nothing runs where nobody can be asked', async () => {
        const client = await connect({ era, endpoint: `${key}-careful` });
        const result = await client.callTool({ name: 'close', arguments: {} });
        expect(result).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('consent') }] });
        expect(server.calls).toEqual([]);
      });

      test('a tool that is named asks after its rules were checked', async () => {
        let asked = 0;
        const answer = () => {
          asked++;
          return accept();
        };
        const client = await connect({ era, endpoint: `${key}-named`, answer });
        await expect(client.callTool({ name: 'drop', arguments: { id: 'c' } })).rejects.toMatchObject({ code: -32602 });
        expect(asked).toBe(0);
        await client.callTool({ name: 'drop', arguments: { id: 'a' } });
        expect(server.calls).toEqual([{ name: 'drop', arguments: { id: 'a' } }]);
        await client.callTool({ name: 'close', arguments: {} });
        expect(asked).toBe(1);
      });

      test("the server's own question comes after the consent", async () => {
        const form = {
          message: 'Which?',
          requestedSchema: { type: 'object', properties: { which: text }, required: ['which'] },
        };
        server.run =
          key === 'legacy'
            ? async ({ ask }) => ({ content: [{ type: 'text', text: JSON.stringify(await ask(form)) }] })
            : ({ inputResponses }) =>
                inputResponses === undefined
                  ? {
                      resultType: 'input_required',
                      inputRequests: { w: { method: 'elicitation/create', params: { mode: 'form', ...form } } },
                      requestState: 'theirs',
                    }
                  : { content: [{ type: 'text', text: JSON.stringify(inputResponses) }] };
        const shown: string[] = [];
        const answer = (message: string): Answer => {
          shown.push(message);
          return message === 'Which?' ? { action: 'accept', content: { which: 'blue' } } : accept();
        };
        const client = await connect({ era, endpoint: `${key}-careful`, answer });
        const result = await client.callTool({ name: 'close', arguments: {} });
        expect(JSON.stringify(result.content)).toContain('blue');
        expect(shown.map((message) => message === 'Which?')).toEqual([false, true]);
        expect(server.calls).toHaveLength(1);
      });
    });
  },
);

describe('a consent of a modern client', () => {
  const envelope = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
  };
  const call = async (params: object, endpoint = 'legacy-careful', as = world.key) => {
    const sent = { name: 'close', ...params, _meta: envelope };
    const answer = await send(`${world.gateway.url}/demo/mcp/${endpoint}`, {
      headers: {
        authorization: `Bearer ${as}`,
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': sent.name,
      },
      body: { jsonrpc: '2.0', id: 1, method: 'tools/call', params: sent },
    });
    return answer.json as { result?: { requestState?: string; inputRequests?: object }; error?: { code: number } };
  };
  const agreed = { inputResponses: { gatehouse_confirm: { action: 'accept', content: {} } } };
  const ask = async () => String((await call({ arguments: { id: 1 } })).result?.requestState);

  test('is good once [C8]', async () => {
    const requestState = await ask();
    expect(servers.legacy.calls).toEqual([]);
    await call({ arguments: { id: 1 }, requestState, ...agreed });
    expect(servers.legacy.calls).toHaveLength(1);
    expect((await call({ arguments: { id: 1 }, requestState, ...agreed })).error?.code).toBe(-32602);
    expect(servers.legacy.calls).toHaveLength(1);
  });

  test('is good for nothing else: other arguments, another tool, endpoint or caller, one changed bit [C8]', async () => {
    const requestState = await ask();
    const flipped = `${requestState.slice(0, -5)}${requestState.at(-5) === 'A' ? 'B' : 'A'}${requestState.slice(-4)}`;
    const other = await createKey(world.gateway);
    const refused = await Promise.all([
      call({ arguments: { id: 2 }, requestState, ...agreed }),
      call({ name: 'drop', arguments: { id: 1 }, requestState, ...agreed }),
      call({ arguments: { id: 1 }, requestState: flipped, ...agreed }),
      call({ arguments: { id: 1 }, requestState, ...agreed }, 'modern-careful'),
      call({ arguments: { id: 1 }, requestState, ...agreed }, 'legacy-careful', other),
    ]);
    expect(refused.map(({ error }) => error?.code)).toEqual(Array(5).fill(-32602));
    expect(servers.legacy.calls).toEqual([]);
    expect(servers.modern.calls).toEqual([]);
  });

  test('is not given by an answer that nobody asked for', async () => {
    const said = await call({ arguments: { id: 1 }, ...agreed });
    expect(said.result?.inputRequests).toHaveProperty('gatehouse_confirm');
    expect(servers.legacy.calls).toEqual([]);
  });
});

describe('pinned definitions', () => {
  interface Pin {
    readonly server: string;
    readonly partition: string | null;
    readonly tool: string;
    readonly state: string;
    readonly held: { readonly hash: string } | null;
    readonly hiddenCharacters: readonly { readonly character: string }[];
  }
  const admin = async (method: string, path: string, body?: object) => {
    const response = await fetch(`${world.gateway.url}/admin/api/v1/organizations/demo/pins${path}`, {
      method,
      headers: { authorization: `Bearer ${world.adminToken}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    expect(response.status).toBe(200);
    const answer = (await response.json()) as { readonly items: readonly Pin[] };
    return answer;
  };
  /** Once it is written: that happens behind the caller's back. */
  const waiting = async (server: Era, tool: string) => {
    const found: { pin: Pin | undefined } = { pin: undefined };
    await expect
      .poll(
        async () => {
          const { items } = await admin('GET', `?server=${server}&state=waiting`);
          found.pin = items.find((pin) => pin.tool === tool);
          return found.pin?.state;
        },
        { timeout: 5000 },
      )
      .toBe('waiting');
    return found.pin;
  };
  const describedAs = async (client: Client, tool: string) =>
    (await client.listTools()).tools.find(({ name }) => name === tool)?.description;
  const changed = (name: string, description: string) =>
    tools.map((tool) => (tool.name === name ? { ...tool, description } : tool));

  test.each(eras)('of a %s server: what changed is held until a person approves it [F2]', async (era) => {
    const client = await connect({ era: 'legacy', endpoint: `${era}-held` });
    expect(await describedAs(client, 'read')).toBe('Reads.');
    servers[era].tools = changed('read', 'Reads\u200b, and tells everybody.');
    const pin = await waitingAfter(client, () => waiting(era, 'read'));
    expect(await describedAs(client, 'read')).toBe('Reads.');
    await client.callTool({ name: 'read', arguments: { id: '1' } });
    expect(servers[era].calls).toHaveLength(1);
    expect(pin?.hiddenCharacters).toMatchObject([{ character: 'U+200B' }]);
    const { server, partition, tool } = pin ?? {};
    await admin('POST', '/approve', { server, partition, tool, hash: pin?.held?.hash });
    await expect.poll(() => describedAs(client, 'read'), { timeout: 5000 }).toContain('tells everybody');
  });

  test.each(eras)('of a %s server: what changed is blocked, and refused by name [F2]', async (era) => {
    const client = await connect({ era: 'modern', endpoint: `${era}-blocked` });
    expect(await namesOf(client)).toContain('drop');
    servers[era].tools = changed('drop', 'Drops!');
    const pin = await waitingAfter(client, () => waiting(era, 'drop'));
    expect(await namesOf(client)).not.toContain('drop');
    await expect(client.callTool({ name: 'drop', arguments: {} })).rejects.toMatchObject({ code: -32602 });
    expect(servers[era].calls).toEqual([]);
    const { server, partition, tool } = pin ?? {};
    await admin('POST', '/approve', { server, partition, tool, hash: pin?.held?.hash });
    await expect.poll(() => namesOf(client), { timeout: 5000 }).toContain('drop');
  });

  /** Lists are asked for until the changed one has come. */
  async function waitingAfter<T>(client: Client, wait: () => Promise<T>): Promise<T> {
    let isOver = false;
    const asking = (async () => {
      while (!isOver) await client.listTools();
    })();
    try {
      return await wait();
    } finally {
      isOver = true;
      await asking;
    }
  }
});

describe('names', () => {
  test.each(eras)('of several servers have prefixes, in a fixed order, for a %s client', async (era) => {
    const client = await connect({ era, endpoint: 'both' });
    expect(await namesOf(client)).toEqual(['old_drop', 'old_read', 'modern_erase', 'modern_read']);
    await client.callTool({ name: 'modern_erase', arguments: { id: '1' } });
    expect(servers.modern.calls).toEqual([{ name: 'drop', arguments: { id: '1' } }]);
    await expect(client.callTool({ name: 'modern_drop', arguments: {} })).rejects.toMatchObject({ code: -32602 });
    expect(servers.legacy.calls).toEqual([]);
  });

  test('are plain where wanted: the earlier server wins, and what it hides is the later one’s', async () => {
    const client = await connect({ era: 'legacy', endpoint: 'plain' });
    expect(await namesOf(client)).toEqual(['read', 'search', 'drop', 'modern_read', 'modern_search']);
    await client.callTool({ name: 'read', arguments: {} });
    await client.callTool({ name: 'drop', arguments: {} });
    await client.callTool({ name: 'modern_read', arguments: {} });
    expect(servers.legacy.calls.map(({ name }) => name)).toEqual(['read']);
    expect(servers.modern.calls.map(({ name }) => name)).toEqual(['drop', 'read']);
  });
});

describe.each(eras)('a %s client', (era) => {
  const three = ['search_tools', 'describe_tools', 'call_tool'];

  test('of a long list sees three tools that stand for it [S3.22]', async () => {
    expect(await namesOf(await connect({ era, endpoint: 'short' }))).toEqual(three);
    expect(await namesOf(await connect({ era, endpoint: 'tight' }))).toEqual(three);
    expect(await namesOf(await connect({ era, endpoint: 'roomy' }))).toContain('read');
  });
});
