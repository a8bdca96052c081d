/** The upstream of every variant: the least that answers MCP over HTTP, in a process of its own. Prints its port. */
import { createServer } from 'node:http';

const answerHead = '{"jsonrpc":"2.0","id":';
const answerTail =
  ',"result":{"content":[{"type":"text","text":"The answer to the question, about as long as one is."}]}}';
const idPattern = /"id":("[^"]*"|\d+)/;

const server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    const id = idPattern.exec(Buffer.concat(chunks).toString('latin1'))?.[1] ?? 'null';
    const body = answerHead + id + answerTail;
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
    res.end(body);
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address && typeof address === 'object') console.log(JSON.stringify({ port: address.port }));
});
