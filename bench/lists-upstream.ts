/** Servers of many tools at one port, in a process of its own: `/{era}/{tools}/{anything}`. Prints its port. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

const content = [{ type: 'text', text: 'The answer to the question, about as long as one is.' }];
const caching = { ttlMs: 3_600_000, cacheScope: 'private' };
const page = 1000;

/** About 400 bytes each. */
const toolsOf = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    name: `tool_${String(i).padStart(5, '0')}`,
    description:
      'Looks something up in a system that an organization has, and says what it found there, in a few sentences.',
    inputSchema: {
      type: 'object',
      properties: {
        query: { type: 'string', description: 'What to look for' },
        limit: { type: 'integer', minimum: 1 },
      },
      required: ['query'],
    },
  }));

interface Message {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: { readonly cursor?: string };
}

function resultOf({ method, params }: Message, era: string, count: number): object {
  const complete = era === 'modern' ? { resultType: 'complete' } : {};
  if (method === 'server/discover')
    return { ...complete, supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ...caching };
  if (method === 'initialize')
    return { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'bench', version: '1' } };
  if (method !== 'tools/list') return { ...complete, content };
  const start = Number(params?.cursor ?? 0);
  const next = start + page < count ? { nextCursor: String(start + page) } : {};
  return {
    ...complete,
    tools: toolsOf(count).slice(start, start + page),
    ...next,
    ...(era === 'modern' ? caching : {}),
  };
}

function answer(req: IncomingMessage, res: ServerResponse, body: string): void {
  const [, era = '', count = ''] = (req.url ?? '').split('/');
  if (req.method !== 'POST') return void res.writeHead(405).end();
  const message: Message = JSON.parse(body);
  if (message.id === undefined) return void res.writeHead(202).end();
  const isModern = body.includes('2026-07-28');
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (message.method === 'initialize' && era === 'legacy') headers['mcp-session-id'] = randomUUID();
  const isRefused = isModern !== (era === 'modern');
  const said = isRefused
    ? { error: { code: -32000, message: 'not in this era' } }
    : { result: resultOf(message, era, Number(count)) };
  const text = JSON.stringify({ jsonrpc: '2.0', id: message.id, ...said });
  res.writeHead(isRefused ? 400 : 200, { ...headers, 'content-length': Buffer.byteLength(text) });
  res.end(text);
}

const server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => answer(req, res, Buffer.concat(chunks).toString()));
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address && typeof address === 'object') console.log(JSON.stringify({ port: address.port }));
});
