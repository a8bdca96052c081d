/** The yardstick: Node's own server and client, bytes piped through, nothing checked. `node bench/relay.ts <upstream port>` */
import { Agent, createServer, request } from 'node:http';

const agent = new Agent({ keepAlive: true, maxSockets: 64 });
const port = Number(process.argv[2]);

const server = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
  const { host: _, connection: __, ...headers } = req.headers;
  const forward = request({ host: '127.0.0.1', port, path: req.url, method: req.method, headers, agent }, (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(res);
  });
  forward.on('error', () => res.destroy());
  req.pipe(forward);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (address && typeof address === 'object') console.log(JSON.stringify({ port: address.port }));
});
