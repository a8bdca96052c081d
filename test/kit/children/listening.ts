/** An MCP server over streamable HTTP that listens where PORT says; `crash` as a tool ends it. Needs no package. */
import { createServer } from 'node:http';

let count = 0;
const sessions = new Set<string>();
const handle = (message: { id?: unknown; method?: string; params?: { name?: string; arguments?: object } }) => {
  if (message.method === 'initialize') {
    return {
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'listening', version: '1' },
    };
  }
  const text = (value: unknown) => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });
  if (message.params?.name === 'crash') process.exit(3);
  if (message.params?.name === 'about')
    return text({ pid: process.pid, env: process.env, argv: process.argv.slice(2), count: ++count });
  return text(message.params?.arguments ?? {});
};

createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const message = JSON.parse(Buffer.concat(chunks).toString('utf8') || '{}');
    const known = request.headers['mcp-session-id'];
    if (message.method !== 'initialize' && !(typeof known === 'string' && sessions.has(known))) {
      response.writeHead(404).end();
      return;
    }
    const id = typeof known === 'string' ? known : `session-${sessions.size}-${process.pid}-padding`;
    sessions.add(id);
    if (message.id === undefined) {
      response.writeHead(202).end();
      return;
    }
    const result = handle(message);
    response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': id });
    response.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }));
  });
}).listen(Number(process.env.PORT), '127.0.0.1', () => console.error(`listening on ${process.env.PORT}`));
