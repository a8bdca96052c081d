import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type Handler, type Listener, openListener, type Upgrade } from './server.ts';

const options = {
  host: '127.0.0.1',
  port: 0,
  headersTimeoutMs: 1000,
  requestTimeoutMs: 2000,
  keepAliveTimeoutMs: 5000,
  maxHeaderBytes: 16_384,
  maxConnections: 100,
};

describe('the listener', () => {
  let listener: Listener | undefined;
  afterEach(() => listener?.close(100));

  const open = async (handler: Handler) => {
    listener = await openListener(options, handler);
    return listener.port;
  };
  const dial = (port: number) =>
    new Promise<Socket>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(socket));
      socket.on('error', () => undefined);
    });
  const closed = (socket: Socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const alive = async (port: number) => {
    const socket = await dial(port);
    socket.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    return text.startsWith('HTTP/1.1 200');
  };
  const answer: Handler = (_req, res) => void res.end('ok');

  test('survives callers that reset the connection right after asking for an upgrade or a tunnel', async () => {
    const port = await open(answer);
    const crashes: unknown[] = [];
    const note = (error: unknown) => crashes.push(error);
    process.on('uncaughtException', note);
    const heads = [
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
      'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n',
      'NONSENSE\r\n\r\n',
    ];
    for (let round = 0; round < 30; round++) {
      for (const head of heads) {
        const socket = await dial(port);
        socket.write(head, () => socket.resetAndDestroy());
        await closed(socket);
      }
    }
    expect(await alive(port)).toBe(true);
    process.off('uncaughtException', note);
    expect(crashes).toEqual([]);
  });

  test('a refused connection is closed even if the other side never does', async () => {
    const port = await open(answer);
    const sockets = await Promise.all([dial(port), dial(port), dial(port)]);
    const heads = [
      'NONSENSE\r\n\r\n',
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nmore',
      'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\nmore',
    ];
    for (const [i, socket] of sockets.entries()) {
      socket.allowHalfOpen = true;
      socket.write(heads[i] ?? '');
      socket.resume();
    }
    // A side that holds on to its half: bytes after the refusal meet a closed socket.
    await expect
      .poll(
        () => {
          for (const socket of sockets) if (!socket.destroyed) socket.write('x');
          return sockets.map((socket) => socket.destroyed);
        },
        { timeout: 3000 },
      )
      .toEqual([true, true, true]);
  });

  test('a pipelined request is handled when its turn has come, so that its answer always has a connection', async () => {
    const seen: boolean[] = [];
    const port = await open((_req, res) => {
      seen.push(res.socket !== null);
      setTimeout(() => res.end('ok'), 5);
    });
    const socket = await dial(port);
    socket.write(
      'GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    );
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    expect(text.match(/HTTP\/1\.1 200/g)).toHaveLength(3);
    expect(seen).toEqual([true, true, true]);
  });

  test('one address has so many connections at once, others and those that are exempt have theirs [E9] [X2.5]', async () => {
    const perAddress = { max: 3, isExempt: (address: string) => address === '127.0.0.9' };
    listener = await openListener({ ...options, perAddress }, answer);
    const { port } = listener;
    const from = (localAddress: string) =>
      new Promise<Socket>((resolve) => {
        const socket = connect({ port, host: '127.0.0.1', localAddress }, () => resolve(socket));
        socket.on('error', () => undefined);
      });
    const first = await Promise.all([1, 2, 3].map(() => from('127.0.0.1')));
    const fourth = await from('127.0.0.1');
    await closed(fourth);
    for (let i = 0; i < 5; i++) expect((await from('127.0.0.9')).destroyed).toBe(false);
    const other = await from('127.0.0.2');
    other.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    let text = '';
    for await (const chunk of other) text += String(chunk);
    expect(text).toContain('200 OK');
    first[0]?.destroy();
    await expect.poll(() => alive(port)).toBe(true);
  });

  test('a pipelined request whose caller hangs up meanwhile is never begun', async () => {
    const begun: string[] = [];
    let finish: () => void = () => undefined;
    const port = await open((req, res) => {
      begun.push(req.url ?? '');
      if (req.url === '/') res.end('ok');
      else finish = () => res.end('ok');
    });
    const socket = await dial(port);
    socket.write('GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n');
    await expect.poll(() => begun).toEqual(['/1']);
    socket.destroy();
    await closed(socket);
    finish();
    expect(await alive(port)).toBe(true);
    expect(begun).toEqual(['/1', '/']);
  });

  test('connections that were only held ready do not hold up the end', async () => {
    const port = await open(answer);
    const socket = await dial(port);
    const since = performance.now();
    await listener?.close(20_000);
    await closed(socket);
    expect(performance.now() - since).toBeLessThan(5000);
  });

  test('an upgraded connection is cut off at the deadline, and before it is answered in HTTP where it is refused', async () => {
    const upgrades: Upgrade[] = [];
    listener = await openListener(options, answer, (upgrade) => upgrades.push(upgrade));
    const head = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
    const [refused, kept] = [await dial(listener.port), await dial(listener.port)];
    refused.write(head);
    await expect.poll(() => upgrades.length).toBe(1);
    let text = '';
    refused.on('data', (part) => {
      text += String(part);
    });
    upgrades[0]?.res.writeHead(403, { 'content-length': '2' }).end('no');
    await closed(refused);
    expect(text).toMatch(/^HTTP\/1\.1 403 .*Connection: close.*no$/s);
    kept.write(head);
    await expect.poll(() => upgrades.length).toBe(2);
    await Promise.all([listener.close(100), closed(kept)]);
  });
});
