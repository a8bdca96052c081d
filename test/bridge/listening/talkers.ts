/** Official SDK servers of both eras that say what a test wants them to say, when it wants it. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, Server } from '@modelcontextprotocol/server';
import { listenOnLoopback } from '#kit/listen.ts';

export type Era = 'legacy' | 'modern';

export interface Talker {
  readonly url: string;
  toolsChanged(): void;
  promptsChanged(): void;
  updated(uri: string): void;
  /** Asks somebody something outside any call; whether somebody answered. Legacy servers only. */
  askUnasked(): Promise<boolean>;
  /** Open streams on which it could say something unasked. */
  streams(): number;
  /** URIs that somebody subscribes to; of legacy servers only. */
  subscribed(): readonly string[];
  /** How often a tool ran, by the `tag` that it was given. */
  readonly runs: Map<string, number>;
  /** Sessions that were made, and those that are alive. */
  sessions(): { readonly made: number; readonly alive: number };
  /** Forgets all sessions, as after a restart. */
  forget(): void;
  /** Breaks off what is open. */
  hangUp(): void;
  close(): Promise<void>;
}

export interface TalkerOptions {
  /** Default: everything. */
  readonly capabilities?: object;
  /** GET is answered by 405. */
  readonly noStream?: boolean;
}

const all = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  logging: {},
};
const uris = ['test://one', 'test://two', 'test://warm'];
const levels = ['debug', 'info', 'warning'] as const;

interface Session {
  readonly server: Server;
  readonly transport: NodeStreamableHTTPServerTransport;
  readonly uris: Set<string>;
  level: string | undefined;
}

export async function startTalker(era: Era, options: TalkerOptions = {}): Promise<Talker> {
  const runs = new Map<string, number>();
  const sessions = new Map<string, Session>();
  const open = new Set<ServerResponse>();
  const counters = new Map<string, number>();
  let made = 0;

  function talkative(session?: Session): Server {
    const capabilities = options.capabilities ?? all;
    const server = new Server({ name: `talker-${era}`, version: '1' }, { capabilities });
    const inputSchema = { type: 'object' } as const;
    server.setRequestHandler('tools/list', () => ({
      tools: ['talk', 'ask', 'remember'].map((name) => ({ name, inputSchema })),
    }));
    if ('prompts' in capabilities) server.setRequestHandler('prompts/list', () => ({ prompts: [{ name: 'greet' }] }));
    if ('resources' in capabilities) {
      server.setRequestHandler('resources/list', () => ({ resources: uris.map((uri) => ({ uri, name: uri })) }));
      server.setRequestHandler('resources/templates/list', () => ({ resourceTemplates: [] }));
    }
    server.setRequestHandler('tools/call', async ({ params }, ctx) => {
      const tag = String(params.arguments?.tag ?? '');
      const count = (runs.get(tag) ?? 0) + 1;
      const said = (value: unknown) => ({ content: [{ type: 'text' as const, text: JSON.stringify(value) }] });
      if (params.name === 'remember') {
        const who = ctx.sessionId ?? '';
        counters.set(who, (counters.get(who) ?? 0) + 1);
        return said({ session: who, count: counters.get(who) });
      }
      runs.set(tag, count);
      if (params.name === 'ask') {
        const progressToken = ctx.mcpReq._meta?.progressToken;
        const elicit = {
          method: 'elicitation/create' as const,
          params: { message: `Who, ${tag}?`, requestedSchema: { type: 'object' as const, properties: {} } },
        };
        const answer = await ctx.mcpReq.send(elicit as never);
        if (progressToken !== undefined)
          await ctx.mcpReq.notify({
            method: 'notifications/progress',
            params: { progressToken, progress: 1, total: 1, message: 'answered' },
          });
        return said({ answer, runs: runs.get(tag) });
      }
      const progressToken = ctx.mcpReq._meta?.progressToken;
      for (const level of levels)
        if (!session) await ctx.mcpReq.log(level, `${level} of ${tag}`);
        else if (session.level === undefined || levels.indexOf(session.level as 'info') <= levels.indexOf(level))
          await ctx.mcpReq.notify({
            method: 'notifications/message',
            params: { level, data: `${level} of ${tag}` },
          });
      if (progressToken !== undefined)
        await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress: 1, total: 1 } });
      return said({ tag });
    });
    if (session && 'logging' in capabilities) {
      server.setRequestHandler('resources/subscribe', ({ params }) => {
        session.uris.add(params.uri);
        return {};
      });
      server.setRequestHandler('resources/unsubscribe', ({ params }) => {
        session.uris.delete(params.uri);
        return {};
      });
      server.setRequestHandler('logging/setLevel', ({ params }) => {
        session.level = params.level;
        return {};
      });
    }
    return server;
  }

  const modern = createMcpHandler(() => talkative(), { legacy: 'reject' });
  const serveModern = toNodeHandler(modern);

  async function openSession(): Promise<NodeStreamableHTTPServerTransport> {
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => {
        made++;
        sessions.set(id, session);
      },
      onsessionclosed: (id) => void sessions.delete(id),
    });
    const session: Session = {
      transport,
      uris: new Set(),
      level: undefined,
      get server() {
        return server;
      },
    };
    const server = talkative(session);
    await server.connect(transport);
    return transport;
  }

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = req.method === 'POST' ? JSON.parse(await text(req)) : undefined;
    const isStream = req.method === 'GET' || body?.method === 'subscriptions/listen';
    if (isStream && options.noStream) return void res.writeHead(405).end();
    if (isStream) {
      open.add(res);
      res.on('close', () => open.delete(res));
    }
    if (era === 'modern') return serveModern(req, res, body);
    const id = req.headers['mcp-session-id'];
    const known = typeof id === 'string' ? sessions.get(id)?.transport : undefined;
    if (known) return known.handleRequest(req, res, body);
    if (id !== undefined || body?.method !== 'initialize') {
      const error = { code: id === undefined ? -32000 : -32001, message: 'Session not found' };
      res.writeHead(id === undefined ? 400 : 404, { 'content-type': 'application/json' });
      return void res.end(JSON.stringify({ jsonrpc: '2.0', id: null, error }));
    }
    return (await openSession()).handleRequest(req, res, body);
  }

  const http = createServer((req, res) => {
    serve(req, res).catch(() => res.destroy());
  });
  const { port, close } = await listenOnLoopback(http);
  const each = (tell: (session: Session) => Promise<void>) => {
    for (const session of sessions.values()) tell(session).catch(() => undefined);
  };
  const isLegacy = era === 'legacy';
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    toolsChanged: () => (isLegacy ? each(({ server }) => server.sendToolListChanged()) : modern.notify.toolsChanged()),
    promptsChanged: () =>
      isLegacy ? each(({ server }) => server.sendPromptListChanged()) : modern.notify.promptsChanged(),
    updated: (uri) =>
      isLegacy
        ? each(async ({ server, uris: wanted }) => {
            if (wanted.has(uri)) await server.sendResourceUpdated({ uri });
          })
        : modern.notify.resourceUpdated(uri),
    async askUnasked() {
      const message = { jsonrpc: '2.0', id: 'unasked', method: 'roots/list', params: {} } as const;
      for (const { transport } of sessions.values()) await transport.send(message);
      return false;
    },
    streams: () => open.size,
    subscribed: () => [...sessions.values()].flatMap(({ uris: wanted }) => [...wanted]),
    runs,
    sessions: () => ({ made, alive: sessions.size }),
    forget: () => sessions.clear(),
    hangUp: () => http.closeAllConnections(),
    async close() {
      await modern.close();
      await close();
    },
  };
}
