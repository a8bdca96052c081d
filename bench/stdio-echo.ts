/** The same answers over stdio, for peers that can wrap nothing else. */
import { createInterface } from 'node:readline';

const content = [{ type: 'text', text: 'The answer to the question, about as long as one is.' }];

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined || method === undefined) return;
  const result =
    method === 'initialize'
      ? {
          protocolVersion: params.protocolVersion,
          capabilities: { tools: {} },
          serverInfo: { name: 'echo', version: '1.0.0' },
        }
      : method === 'tools/list'
        ? { tools: [{ name: 'retrieve', inputSchema: { type: 'object' } }] }
        : method === 'tools/call'
          ? { content }
          : {};
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`);
});
