import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { connect as connectSocket, createServer as createTcpServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import type { GatehouseError } from '#core/error.ts';
import { createSelfSigned } from '#kit/identity/self-signed.ts';
import { listenOnLoopback } from '#kit/listen.ts';
import { type EgressOptions, openEgress } from './egress.ts';
import { discard, readBytes, readJson } from './egress-body.ts';

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

function open(options: EgressOptions = { allow: ['127.0.0.1'] }) {
  const egress = openEgress(options);
  opened.push(() => egress.close());
  return egress;
}

async function listening(server: Parameters<typeof listenOnLoopback>[0]): Promise<string> {
  const { port, close } = await listenOnLoopback(server);
  opened.push(close);
  return `127.0.0.1:${port}`;
}

/** An HTTP server that remembers what reached it. */
async function sink(answer: RequestListener = (_request, response) => response.end('{"ok":true}')) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  const host = await listening(server);
  return { requests, host, url: `http://${host}` };
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'resolved',
    (error: GatehouseError) => error.code,
  );

const codeOfReading = (url: string, read: (response: Response, maxBytes: number) => Promise<unknown>) =>
  codeOf(
    open()
      .fetch(url)
      .then((response) => read(response, 1000)),
  );

describe('addresses', () => {
  test('a loopback URL that is not on the list is refused and nothing connects [S1] [S5]', async () => {
    const target = await sink();
    const error: GatehouseError = await open({})
      .fetch(target.url)
      .then(
        () => Promise.reject(new Error('sent')),
        (e) => e,
      );
    expect(error.code).toBe('upstream_unreachable');
    expect(error.message).toBe('Upstream server is unreachable');
    expect(target.requests).toHaveLength(0);
  });

  test('a refused address and a closed port give the same answer [S5]', async () => {
    const closed = await open()
      .fetch('http://127.0.0.1:1/')
      .catch((error: Error) => error);
    const refused = await open({})
      .fetch('http://127.0.0.1:1/')
      .catch((error: Error) => error);
    expect(`${closed}`).toBe(`${refused}`);
  });

  test('a name that resolves to loopback never connects, however often it changes its answer [S2]', async () => {
    const target = await sink();
    let turn = 0;
    const egress = open({
      resolve: async () => [{ address: turn++ % 2 ? '127.0.0.1' : '::ffff:127.0.0.1', family: turn % 2 ? 6 : 4 }],
    });
    for (let i = 0; i < 20; i++) {
      expect(await codeOf(egress.fetch(`https://rebind.example:${i % 2 ? 8443 : 443}/`))).toBe('upstream_unreachable');
    }
    expect(target.requests).toHaveLength(0);
  });

  test('the name is looked up once per connection, and that address is connected to [S2]', async () => {
    const target = await sink();
    const answers = ['127.0.0.1', '10.255.255.1'];
    const egress = open({
      allow: ['pinned.example'],
      resolve: async () => [{ address: answers.shift() ?? '10.255.255.1', family: 4 }],
    });
    const response = await egress.fetch(`http://pinned.example:${target.host.split(':')[1]}/x`);
    expect(response.status).toBe(200);
    expect(target.requests[0]?.headers.host).toMatch(/^pinned\.example:/);
    expect(answers).toHaveLength(1);
  });

  test('"localhost" is reached by the system’s own resolver where the operator lists its address', async () => {
    const target = await sink();
    expect((await open().fetch(`http://localhost:${target.host.split(':')[1]}/`)).status).toBe(200);
    expect(await codeOf(open({}).fetch(`http://localhost:${target.host.split(':')[1]}/`))).toBe('upstream_unreachable');
    expect(target.requests).toHaveLength(1);
  });

  test('TLS greets the name that was asked for, not the address', async () => {
    const greeting = Promise.withResolvers<Buffer>();
    const server = createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (bytes) => {
        greeting.resolve(bytes);
        socket.destroy();
      });
    });
    const host = await listening(server);
    const egress = open({ allow: ['secure.example'], resolve: async () => [{ address: '127.0.0.1', family: 4 }] });
    const code = codeOf(egress.fetch(`https://secure.example:${host.split(':')[1]}/`));
    expect((await greeting.promise).includes('secure.example')).toBe(true);
    expect(await code).toBe('upstream_unreachable');
  });
});

describe('redirects', () => {
  test.each([301, 302, 303, 307, 308])('a %i is an answer, and its target hears nothing [S4]', async (status) => {
    const inner = await sink();
    const outer = await sink((_request, response) => response.writeHead(status, { location: inner.url }).end());
    const headers = { authorization: 'Bearer a', 'x-api-key': 'b', 'mcp-session-id': 'c' };
    const response = await open().fetch(outer.url, { method: 'POST', headers, body: 'x', redirect: 'follow' });
    expect(response.status).toBe(status);
    expect(inner.requests).toHaveLength(0);
  });
});

describe('bodies', () => {
  test('form bodies, methods and headers arrive as fetch would send them', async () => {
    let body = '';
    const target = await sink((request, response) => {
      request.on('data', (chunk) => (body += chunk)).on('end', () => response.writeHead(201).end('{"a":1}'));
    });
    const init = { method: 'POST', body: new URLSearchParams({ a: 'b c' }), headers: { accept: 'application/json' } };
    const response = await open().fetch(new URL(`${target.url}/token?x=1`), init);
    expect(response.status).toBe(201);
    expect(response.url).toBe(`${target.url}/token?x=1`);
    expect(await response.json()).toEqual({ a: 1 });
    expect(body).toBe('a=b+c');
    expect(target.requests[0]?.headers).toMatchObject({
      'content-type': 'application/x-www-form-urlencoded;charset=UTF-8',
      accept: 'application/json',
      'accept-encoding': 'identity',
    });
  });

  test('a body past the cap breaks off, declared or not', async () => {
    const target = await sink((_request, response) => {
      response.write(Buffer.alloc(600));
      response.end(Buffer.alloc(600));
    });
    const egress = open({ allow: ['127.0.0.1'], maxBytes: 1000 });
    expect(await codeOf(egress.fetch(target.url).then((r) => r.arrayBuffer()))).toBe('upstream_broken');
    const wide = open();
    expect(await codeOf(wide.fetch(target.url).then((r) => readBytes(r, 1000)))).toBe('upstream_broken');
    expect((await readBytes(await wide.fetch(target.url), 1200)).byteLength).toBe(1200);
  });

  test('a declared length past the cap is not read at all', async () => {
    const target = await sink((_request, response) => {
      response.writeHead(200, { 'content-length': 5_000_000 }).write('x');
    });
    expect(await codeOfReading(target.url, readBytes)).toBe('upstream_broken');
  });

  test('a compressed answer, which was not asked for, is refused', async () => {
    const bomb = gzipSync(Buffer.alloc(1_000_000));
    const target = await sink((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
    );
    expect(await codeOf(open().fetch(target.url))).toBe('upstream_broken');
  });

  test('an answer without a body is one', async () => {
    const target = await sink((_request, response) => response.writeHead(204).end());
    const response = await open().fetch(target.url);
    expect([response.status, response.body]).toEqual([204, null]);
  });

  test('a body that is let go of, or that nobody reads, ends nothing but its own socket', async () => {
    const target = await sink((_request, response) => response.writeHead(200).write('{'));
    const dropped = await open().fetch(target.url);
    const hungUp = new Promise((resolve) => target.requests[0]?.socket.once('close', resolve));
    await discard(dropped);
    await hungUp;
    await open({ allow: ['127.0.0.1'], totalMs: 60 }).fetch(target.url);
    await new Promise((resolve) => target.requests[1]?.socket.once('close', resolve));
  }, 5000);

  test('a truncated answer is an error, never half a document', async () => {
    const target = await sink((_request, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('{"a":1}', () => response.destroy());
    });
    expect(await codeOfReading(target.url, readJson)).toBe('upstream_broken');
  });

  test('what is no JSON in UTF-8 is broken', async () => {
    const target = await sink((_request, response) => response.end(Buffer.from([0x22, 0xff, 0x22])));
    expect(await codeOfReading(target.url, readJson)).toBe('upstream_broken');
  });
});

describe('deadlines', () => {
  test('a server that never answers', async () => {
    const target = await sink(() => undefined);
    expect(await codeOf(open({ allow: ['127.0.0.1'], totalMs: 50 }).fetch(target.url))).toBe('upstream_timeout');
  });

  test('a server that drips its body', async () => {
    const target = await sink((_request, response) => {
      response.writeHead(200).write('{');
    });
    const egress = open({ allow: ['127.0.0.1'], totalMs: 100 });
    expect(await codeOf(egress.fetch(target.url).then((r) => r.text()))).toBe('upstream_timeout');
  });

  test('a resolver that never answers', async () => {
    const egress = open({ resolve: () => new Promise(() => undefined), timeouts: { dnsMs: 30 } });
    expect(await codeOf(egress.fetch('https://slow.example/'))).toBe('upstream_timeout');
  });

  test('a TLS handshake that never ends', async () => {
    const host = await listening(createTcpServer(() => undefined));
    const egress = open({ allow: ['127.0.0.1'], timeouts: { tlsMs: 50 } });
    expect(await codeOf(egress.fetch(`https://${host}/`))).toBe('upstream_timeout');
  });

  test('the caller’s own signal ends the request with its own reason', async () => {
    const target = await sink(() => undefined);
    const reason = new Error('enough');
    await expect(open().fetch(target.url, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe('forward proxy', () => {
  /** Tunnels every CONNECT to `to`, and answers plain requests itself. */
  async function proxy(to: string) {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.end('from the proxy');
    });
    server.on('connect', (request, socket: Socket) => {
      asked.push(`CONNECT ${request.url}`);
      const [host, port] = to.split(':');
      const onward = connectSocket(Number(port), host, () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
      socket.on('error', () => onward.destroy());
      onward.on('error', () => socket.destroy());
      onward.pipe(socket).pipe(onward);
    });
    return { asked, url: `http://${await listening(server)}` };
  }

  test('HTTPS leaves through it by CONNECT and no name is looked up here [S2.40]', async () => {
    const nobody = await listening(createTcpServer((socket) => socket.destroy()));
    const forward = await proxy(nobody);
    const egress = open({
      proxy: { https: forward.url },
      resolve: () => Promise.reject(new Error('looked up')),
    });
    expect(await codeOf(egress.fetch('https://login.example.com/keys'))).toBe('upstream_unreachable');
    expect(forward.asked).toEqual(['CONNECT login.example.com:443']);
  });

  test('inside the tunnel the server’s own certificate is verified, with a company’s authority if configured [S2.40]', async () => {
    const own = createSelfSigned(['login.example.com']);
    const secure = await listening(createSecureServer(own, (_request, response) => response.end('inside')));
    const forward = await proxy(secure);
    const settings = { proxy: { https: forward.url } };
    const trusting = open({ ...settings, ca: own.cert });
    expect(await (await trusting.fetch('https://login.example.com/keys')).text()).toBe('inside');
    expect(await codeOf(open(settings).fetch('https://login.example.com/keys'))).toBe('upstream_unreachable');
    expect(await codeOf(trusting.fetch('https://other.example.com/'))).toBe('upstream_unreachable');
  });

  test('plain HTTP to a listed host goes through its proxy, NO_PROXY goes straight [S2.40]', async () => {
    const target = await sink();
    const forward = await proxy(target.host);
    const egress = open({
      allow: ['*.corp.example'],
      proxy: { http: forward.url, none: 'direct.corp.example' },
      resolve: async () => [{ address: '127.0.0.1', family: 4 }],
    });
    expect(await (await egress.fetch('http://a.corp.example/x')).text()).toBe('from the proxy');
    expect(forward.asked).toEqual(['GET http://a.corp.example/x']);
    await egress.fetch(`http://direct.corp.example:${target.host.split(':')[1]}/y`);
    expect(target.requests.map(({ url }) => url)).toEqual(['/y']);
  });

  test('a private literal is not handed to the proxy either [S1]', async () => {
    const forward = await proxy('127.0.0.1:1');
    const egress = open({ proxy: { http: forward.url, https: forward.url } });
    expect(await codeOf(egress.fetch('https://169.254.169.254/latest'))).toBe('upstream_unreachable');
    expect(forward.asked).toEqual([]);
  });
});

test('a mapped host name is answered by its stand-in, which sees the real name', async () => {
  const target = await sink();
  const egress = open({ hostMap: { 'api.workos.com': target.url } });
  expect(await (await egress.fetch('https://api.workos.com/a/b?c=d')).json()).toEqual({ ok: true });
  expect(target.requests[0]?.url).toBe('/a/b?c=d');
  expect(target.requests[0]?.headers.host).toBe('api.workos.com');
  expect(await codeOf(egress.fetch('https://127.0.0.1/'))).toBe('upstream_unreachable');
});
