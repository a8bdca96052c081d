import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Listening, listenOnLoopback } from '#kit/listen.ts';
import { environmentProxy, proxiedFetch } from './proxied-fetch.ts';

const asked: string[] = [];
let gateway: Listening;
let proxy: Listening;
beforeAll(async () => {
  gateway = await listenOnLoopback(
    createServer(async (req, res) => {
      const chunks: Buffer[] = [];
      for await (const chunk of req) chunks.push(chunk);
      res.end(`${req.method} ${req.url} ${Buffer.concat(chunks).toString()}`);
    }),
  );
  const server = createServer((req, res) => {
    asked.push(`${req.method} ${req.url}`);
    res.end('by the proxy');
  });
  server.on('connect', (req, socket: Socket) => {
    asked.push(`CONNECT ${req.url}`);
    const onward = connect(gateway.port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    socket
      .on('error', () => onward.destroy())
      .pipe(onward)
      .pipe(socket);
  });
  proxy = await listenOnLoopback(server);
});
afterAll(async () => {
  await proxy.close();
  await gateway.close();
});

test('commands reach a gateway elsewhere through the machine’s proxy, and this machine without it [S2.40]', async () => {
  const env = { http_proxy: `http://127.0.0.1:${proxy.port}`, NO_PROXY: 'inside.example' };
  const fetch = proxiedFetch(environmentProxy(env), async () => new Response('straight'));
  const said = async (...args: Parameters<typeof globalThis.fetch>) => (await fetch(...args)).text();
  expect(await said('http://gateway.example/health')).not.toBe('straight');
  expect(await said(new Request('http://gateway.example/mcp', { method: 'POST', body: 'hi' }))).not.toBe('straight');
  expect(asked.length).toBeGreaterThan(0);
  expect(asked.every((line) => line.includes('gateway.example'))).toBe(true);
  for (const url of [
    'http://127.0.0.1:3000/health',
    'http://localhost:3000/',
    'http://inside.example/',
    'https://a.example',
  ])
    expect(await said(url), url).toBe('straight');
});
