import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { connect as connectSocket, type Socket } from 'node:net';
import { Agent, type buildConnector, request } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import { createSelfSigned } from '#kit/identity/self-signed.ts';
import { type Listening, listenOnLoopback } from '#kit/listen.ts';
import { addressGuard } from './address-guard.ts';
import { guardedConnect } from './guarded-connect.ts';
import { openThrough, proxiedConnect, proxyEnvOf } from './proxied-connect.ts';
import { proxyChoice } from './proxy-choice.ts';

const opened: Listening[] = [];
const agents: Agent[] = [];
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.destroy();
  for (const one of opened.splice(0)) await one.close();
});

async function listening(server: Server | ReturnType<typeof createSecureServer>): Promise<number> {
  const one = await listenOnLoopback(server as Server);
  opened.push(one);
  return one.port;
}

/** Tunnels to `port`, whatever it is asked for, unless `status` says no. */
async function startProxy(port: number, status = '200 OK') {
  const asked: { readonly target: string; readonly authorization: string | undefined }[] = [];
  const server = createServer((_request, response) => response.writeHead(405).end());
  server.on('connect', (req, socket: Socket) => {
    asked.push({ target: req.url ?? '', authorization: req.headers['proxy-authorization'] });
    socket.on('error', () => undefined);
    if (!status.startsWith('200')) return void socket.end(`HTTP/1.1 ${status}\r\n\r\n`);
    const onward = connectSocket(port, '127.0.0.1', () => socket.write(`HTTP/1.1 ${status}\r\n\r\n`));
    onward.on('error', () => socket.destroy());
    socket.pipe(onward).pipe(socket);
  });
  return { asked, port: await listening(server) };
}

function ask(url: string, connect: buildConnector.connector): Promise<string> {
  const agent = new Agent({ connect });
  agents.push(agent);
  return request(url, { dispatcher: agent }).then(({ body }) => body.text());
}

const nowhere: buildConnector.connector = (_options, done) => done(new Error('went straight'), null);

describe('a connection through the operator’s proxy', () => {
  test('is asked for by name, with the proxy’s credentials, and verifies the server itself [S2.40]', async () => {
    const own = createSelfSigned(['mcp.vendor.example']);
    const proxy = await startProxy(await listening(createSecureServer(own, (_req, res) => res.end('inside'))));
    const proxyFor = proxyChoice({ https: `http://ada:p%40ss@127.0.0.1:${proxy.port}` });
    const connect = proxiedConnect({ proxyFor, direct: nowhere, tls: { ca: own.cert } });
    expect(await ask('https://mcp.vendor.example/mcp', connect)).toBe('inside');
    expect(proxy.asked).toEqual([
      {
        target: 'mcp.vendor.example:443',
        authorization: `Basic ${Buffer.from('ada:p@ss').toString('base64')}`,
      },
    ]);
    await expect(ask('https://other.vendor.example/mcp', connect)).rejects.toThrow(/altnames|certificate/i);
    const strict = proxiedConnect({ proxyFor, direct: nowhere });
    await expect(ask('https://mcp.vendor.example/mcp', strict)).rejects.toThrow(/self-signed/i);
  });

  test('carries plain HTTP too, on the port that was meant', async () => {
    const proxy = await startProxy(await listening(createServer((req, res) => res.end(req.headers.host))));
    const connect = proxiedConnect({
      proxyFor: proxyChoice({ http: `http://127.0.0.1:${proxy.port}` }),
      direct: nowhere,
    });
    expect(await ask('http://tools.corp.example:8080/mcp', connect)).toBe('tools.corp.example:8080');
    expect(proxy.asked.map(({ target }) => target)).toEqual(['tools.corp.example:8080']);
  });

  test('is not made where NO_PROXY says so, or to this machine [S2.40]', async () => {
    const proxy = await startProxy(1);
    const url = `http://127.0.0.1:${proxy.port}`;
    const proxyFor = proxyChoice({ http: url, https: url, none: '.corp.example' });
    const connect = proxiedConnect({ proxyFor, direct: nowhere });
    for (const target of ['https://a.corp.example/', 'http://localhost:1/', 'http://127.0.0.1:1/', 'http://[::1]:1/'])
      await expect(ask(target, connect)).rejects.toThrow('went straight');
    expect(proxy.asked).toEqual([]);
  });

  test('never leads where the guard would not: private literals, local names, plain HTTP that is not listed [S1]', async () => {
    const proxy = await startProxy(1);
    const url = `http://127.0.0.1:${proxy.port}`;
    const guard = addressGuard({ allow: ['tools.corp.example'] });
    const proxyFor = proxyChoice({ http: url, https: url });
    const connect = proxiedConnect({ proxyFor, guard, direct: guardedConnect({ guard }) });
    for (const target of [
      'https://169.254.169.254/',
      'https://[fd00::1]/',
      'https://db.internal/',
      'http://a.example/',
    ])
      await expect(ask(target, connect), target).rejects.toMatchObject({ code: 'TARGET_REFUSED' });
    await expect(
      openThrough({ guard, proxyFor }, { protocol: 'https:', hostname: '10.0.0.1', port: '443' }),
    ).rejects.toMatchObject({ code: 'TARGET_REFUSED' });
    expect(proxy.asked).toEqual([]);
  });

  test('that the proxy refuses, or is not there for, is no connection', async () => {
    const proxy = await startProxy(1, '407 Proxy Authentication Required');
    const through = (port: number) =>
      proxiedConnect({ proxyFor: proxyChoice({ https: `http://127.0.0.1:${port}` }), direct: nowhere });
    await expect(ask('https://mcp.vendor.example/', through(proxy.port))).rejects.toThrow(
      'the proxy answered 407 to CONNECT mcp.vendor.example:443',
    );
    const gone = await listenOnLoopback(createServer());
    await gone.close();
    await expect(ask('https://mcp.vendor.example/', through(gone.port))).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
  });

  test('that takes too long is given up', async () => {
    const silent = createServer();
    silent.on('connect', (_req, socket: Socket) => socket.on('error', () => undefined));
    const port = await listening(silent);
    const connect = proxiedConnect({
      proxyFor: proxyChoice({ https: `http://127.0.0.1:${port}` }),
      direct: nowhere,
      timeouts: { dnsMs: 10, connectMs: 20 },
    });
    await expect(ask('https://mcp.vendor.example/', connect)).rejects.toMatchObject({
      code: 'UND_ERR_CONNECT_TIMEOUT',
    });
  });
});

test('a sandboxed program’s question goes the same way', async () => {
  const target = await listening(createServer((_req, res) => res.end('there')));
  const proxy = await startProxy(target);
  const proxyFor = proxyChoice({ https: `http://127.0.0.1:${proxy.port}` });
  const socket = await openThrough(
    { guard: addressGuard({}), proxyFor },
    { protocol: 'https:', hostname: 'api.vendor.example', port: '443' },
  );
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  const [chunk] = await once(socket, 'data');
  expect(String(chunk)).toContain('HTTP/1.1 200 OK');
  expect(proxy.asked.map(({ target: asked }) => asked)).toEqual(['api.vendor.example:443']);
  socket.destroy();
});

test('libraries with requests of their own are told the proxy of exactly their URL', () => {
  const proxyFor = proxyChoice({ https: 'http://proxy.corp.example:3128', none: 'inside.example' });
  const told = { HTTP_PROXY: 'http://proxy.corp.example:3128', HTTPS_PROXY: 'http://proxy.corp.example:3128' };
  expect(proxyEnvOf(proxyFor, 'https://collector.example')).toEqual(told);
  expect(proxyEnvOf(proxyFor, 'https://inside.example')).toEqual({});
  expect(proxyEnvOf(proxyFor, 'http://127.0.0.1:4318')).toEqual({});
});
