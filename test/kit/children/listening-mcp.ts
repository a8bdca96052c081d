/** A small stateless MCP server that listens on PORT, without a dependency: it runs from an image that has Node.js only. */
import { createServer, type IncomingMessage } from 'node:http';

interface Message {
  readonly id?: string | number;
  readonly method?: string;
  readonly params?: { readonly protocolVersion?: string; readonly arguments?: Record<string, unknown> };
}

function resultOf({ method, params }: Message): object {
  if (method === 'initialize') {
    const serverInfo = { name: 'listening', version: '1' };
    return { protocolVersion: params?.protocolVersion, capabilities: { tools: {} }, serverInfo };
  }
  if (method === 'tools/list') return { tools: [{ name: 'whoami', inputSchema: { type: 'object' } }] };
  const said = { pid: process.pid, uid: process.getuid?.(), ...params?.arguments, key: process.env.API_KEY };
  return { content: [{ type: 'text', text: JSON.stringify(said) }] };
}

async function read(req: IncomingMessage): Promise<Message> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
}

const server = createServer(async (req, res) => {
  if (req.method !== 'POST') return void res.writeHead(405).end();
  const message = await read(req);
  if (message.id === undefined) return void res.writeHead(202).end();
  res.writeHead(200, { 'content-type': 'application/json' });
  res.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result: resultOf(message) }));
});
console.log('listening soon');
server.listen(Number(process.env.PORT), '0.0.0.0');
