/** Enforced filters hold on every way that isn't the straight one: many servers as one, bridges, channels, healed sessions. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bearer, call, initialize, send } from '#kit/http-client.ts';
import { answerMcp, json, type RecordedRequest, result, type Script } from '#kit/recording-upstream.ts';
import { openSocket } from '#kit/web-socket-client.ts';
import { startWorld, type World } from '#kit/world.ts';

const enforced = { team: 'red', level: 3 };
const modern = '2026-07-28';

let world: World;
beforeAll(async () => {
  world = await startWorld({ extraYaml: 'limits: { principal: { requestsPerMinute: 100000 } }\n' });
});
afterAll(() => world?.close());
beforeEach(() => {
  world.upstream.script();
  world.upstream.clear();
});

const calls = () => world.upstream.requests.filter(({ rpc }) => rpc.method === 'tools/call');
const sentArguments = () => calls().map(({ rpc }) => rpc.params?.arguments);

const merged: readonly (readonly [string, unknown, unknown])[] = [
  ['absent arguments', undefined, { filter: enforced }],
  ['null arguments', null, { filter: enforced }],
  ['a null filter', { filter: null }, { filter: enforced }],
  ['an empty filter', { query: 'q', filter: {} }, { query: 'q', filter: enforced }],
  ['another value', { filter: { team: 'blue', year: 1 } }, { filter: { ...enforced, year: 1 } }],
];
const refused: readonly (readonly [string, unknown])[] = [
  ['an array as filter', { filter: [] }],
  ['a string as filter', { filter: 'x' }],
  ['a key that is nearly the filter', { Filter: {} }],
  ['a key that is nearly one of the filter', { filter: { TEAM: 'blue' } }],
  ['arguments that are an array', [{ filter: {} }]],
  ['arguments that are a string', '{}'],
];

const session = async (url: string) => {
  const hello = await send(url, { headers: world.auth, body: initialize() });
  const id = hello.headers['mcp-session-id'];
  return id === undefined ? world.auth : { ...world.auth, 'mcp-session-id': String(id) };
};

/** One way to the tool: what was answered. */
interface Way {
  readonly name: string;
  readonly run: (args: unknown) => Promise<{ readonly json: unknown }>;
}

const legacyCall = async (url: string, name: string, args: unknown) =>
  send(url, { headers: await session(url), body: call(name, args, 5) });

const modernCall = (url: string, name: string, args: unknown) =>
  send(url, {
    headers: {
      ...world.auth,
      'mcp-protocol-version': modern,
      'mcp-method': 'tools/call',
      'mcp-name': name,
      'mcp-param-filter': 'blue',
    },
    body: {
      jsonrpc: '2.0',
      id: 5,
      method: 'tools/call',
      params: { name, arguments: args, _meta: { 'io.modelcontextprotocol/protocolVersion': modern, ...envelope } },
    },
  });

const envelope = {
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** Only the legacy era, with sessions: `forgetful` servers lose them once. */
const legacyServer =
  (lose: () => boolean = () => false): Script =>
  (request, res) => {
    if (request.headers['mcp-protocol-version'] === modern)
      return json({ jsonrpc: '2.0', id: null, error: { code: -32000, message: 'Bad Request' } }, 400)(request, res);
    if (request.rpc.method === 'initialize') res.setHeader('mcp-session-id', `s-${Math.random()}`);
    else if (lose())
      return json({ jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } }, 404)(
        request,
        res,
      );
    return answerMcp(request, res);
  };

/** Only the modern era. */
const modernServer: Script = (request, res) => {
  const { rpc } = request;
  if (request.headers['mcp-protocol-version'] !== modern)
    return json(
      {
        jsonrpc: '2.0',
        id: rpc.id ?? null,
        error: { code: -32022, message: 'Unsupported', data: { supported: [modern] } },
      },
      400,
    )(request, res);
  const info = { 'io.modelcontextprotocol/serverInfo': { name: 'm', version: '1' } };
  if (rpc.method === 'server/discover')
    return result({
      ...{ resultType: 'complete', supportedVersions: [modern], capabilities: { tools: {} }, ttlMs: 0 },
      ...{ cacheScope: 'public', _meta: info },
    })(request, res);
  if (rpc.method === 'tools/list')
    return result({ resultType: 'complete', tools: [retrieve], ttlMs: 0, cacheScope: 'public', _meta: info })(
      request,
      res,
    );
  return result({ resultType: 'complete', content: [{ type: 'text', text: 'done' }], _meta: info })(request, res);
};
const retrieve = { name: 'retrieve', inputSchema: { type: 'object', properties: { filter: { type: 'object' } } } };

const waysThere: readonly Way[] = [
  {
    name: 'a legacy client at /mcp',
    run: (args) => legacyCall(`${world.gateway.url}/mcp`, 'filtered_retrieve', args),
  },
  {
    name: 'a modern client at /mcp',
    run: (args) => modernCall(`${world.gateway.url}/mcp`, 'filtered_retrieve', args),
  },
  {
    name: 'a WebSocket',
    async run(args) {
      const socket = await openSocket(`${world.gateway.url}/mcp`, { headers: world.auth });
      socket.send(initialize());
      await socket.next();
      socket.send(call('filtered_retrieve', args, 5));
      const answer = await socket.next();
      await socket.close();
      return { json: answer };
    },
  },
];

function holds(run: Way['run']): void {
  test.each(merged)('%s become the enforced filter [S0.8] [X0.1]', async (_what, args, sent) => {
    await run(args);
    expect(sentArguments()).toEqual([sent]);
  });
  test.each(refused)('%s: refused with -32602, nothing is called [S0.8] [X0.1]', async (_what, args) => {
    const answer = await run(args);
    expect(answer.json).toMatchObject({ error: { code: -32602 } });
    expect(calls()).toEqual([]);
  });
}

describe.each(waysThere)('$name cannot widen an enforced filter:', ({ run }) => holds(run));

describe('a modern client of a legacy server cannot widen an enforced filter:', () => {
  beforeEach(() => world.upstream.script(legacyServer()));
  holds((args) => modernCall(world.url('filtered'), 'retrieve', args));
});

describe('a healed session', () => {
  test('sends the enforced filter again [S0.8] [X0.1]', async () => {
    let isLost = false;
    const lose = () => {
      const was = isLost;
      isLost = false;
      return was;
    };
    world.upstream.script(legacyServer(lose));
    const url = `${world.gateway.url}/mcp`;
    const headers = await session(url);
    await send(url, { headers, body: call('filtered_retrieve', { filter: {} }, 1) });
    world.upstream.clear();
    isLost = true;
    const answer = await send(url, { headers, body: call('filtered_retrieve', { filter: {} }, 2) });
    expect(answer.json).toMatchObject({ result: {} });
    expect(new Set(sentArguments().map((args) => JSON.stringify(args)))).toEqual(
      new Set([JSON.stringify({ filter: enforced })]),
    );
  });
});

describe('a legacy client of a modern server', () => {
  let other: World;
  beforeAll(async () => {
    other = await startWorld();
    other.upstream.script(modernServer);
  });
  afterAll(() => other?.close());
  const run = async (args: unknown) => {
    other.upstream.clear();
    const url = other.url('filtered');
    const hello = await send(url, { headers: bearer(other.key), body: initialize() });
    const id = String(hello.headers['mcp-session-id']);
    return send(url, { headers: { ...bearer(other.key), 'mcp-session-id': id }, body: call('retrieve', args, 5) });
  };
  const sent = () => other.upstream.requests.filter(({ rpc }: RecordedRequest) => rpc.method === 'tools/call');

  test.each(merged)('cannot widen the filter: %s [S0.8] [X0.1]', async (_what, args, wanted) => {
    await run(args);
    expect(sent().map(({ rpc }) => rpc.params?.arguments)).toEqual([wanted]);
  });
  test.each(refused)('cannot widen the filter: %s [S0.8] [X0.1]', async (_what, args) => {
    expect((await run(args)).json).toMatchObject({ error: { code: -32602 } });
    expect(sent()).toEqual([]);
  });
});
