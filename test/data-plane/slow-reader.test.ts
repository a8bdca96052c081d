import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { call } from '#kit/http-client.ts';
import { residentBytes } from '#kit/process.ts';
import { bigResult, openSse } from '#kit/recording-upstream.ts';
import { startWorld, type World } from '#kit/world.ts';

const total = 100 * 1024 * 1024;

describe('a reader that is slower than the upstream', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld({
      extraYaml: 'limits: { timeouts: { idleMs: 60s, toolCallMs: 120s }, principal: { requestsPerMinute: 10000 } }\n',
    });
  });
  afterAll(() => world?.close());

  const body = JSON.stringify(call('echo'));
  const ask = (): Socket => {
    const socket = connect({ port: world.port, host: '127.0.0.1' });
    socket.on('error', () => {});
    socket.write(
      `POST /demo/mcp/open HTTP/1.1\r\nHost: 127.0.0.1:${world.port}\r\nAuthorization: Bearer ${world.key}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    return socket;
  };

  /** Reads all of it with a pause every so many bytes; the highest resident memory seen meanwhile. */
  async function readSlowly(socket: Socket, pid: number): Promise<{ received: number; peak: number }> {
    let received = 0;
    let peak = 0;
    let sincePause = 0;
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
      sincePause += chunk.length;
      if (received >= total) socket.end();
      if (sincePause < 2_000_000) return;
      sincePause = 0;
      peak = Math.max(peak, residentBytes(pid));
      socket.pause();
      setTimeout(() => socket.resume(), 25);
    });
    await new Promise<void>((resolve) => socket.on('close', () => resolve()));
    return { received, peak };
  }

  const grown = 16 * 1024 * 1024;

  /** Until the heap has the size it stays at: before that, growth says nothing of this answer. */
  async function warmUp(): Promise<number> {
    world.upstream.script(bigResult(32 * 1024 * 1024));
    for (let i = 0; i < 8; i++) {
      const socket = ask();
      let bytes = 0;
      await new Promise<void>((resolve) =>
        socket.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes >= 32 * 1024 * 1024) resolve();
        }),
      );
      socket.destroy();
    }
    return residentBytes(world.gateway.pid);
  }

  test('100 MB of JSON cost the gateway at most 16 MB [E8] [R11]', async () => {
    const before = await warmUp();
    world.upstream.script(bigResult(total));
    const { received, peak } = await readSlowly(ask(), world.gateway.pid);
    expect(received).toBeGreaterThanOrEqual(total);
    expect(peak - before).toBeLessThan(grown);
  }, 60_000);

  test('100 MB of events cost the gateway at most 16 MB [E8] [R11]', async () => {
    const before = residentBytes(world.gateway.pid);
    const block = `data: ${'x'.repeat(65_000)}\n\n`;
    world.upstream.script(async (_request, res) => {
      openSse(res);
      for (let sent = 0; sent < total * 1.01 && !res.destroyed; sent += block.length)
        if (!res.write(block)) await new Promise<void>((resolve) => res.once('drain', resolve).once('close', resolve));
      res.end();
    });
    const { received, peak } = await readSlowly(ask(), world.gateway.pid);
    expect(received).toBeGreaterThanOrEqual(total);
    expect(peak - before).toBeLessThan(grown);
  }, 60_000);

  test('clients that never read hold little, and the upstream is paused [E8]', async () => {
    const before = residentBytes(world.gateway.pid);
    world.upstream.script(bigResult(total));
    const sockets = Array.from({ length: 15 }, () => ask().pause());
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const growth = residentBytes(world.gateway.pid) - before;
    for (const socket of sockets) socket.destroy();
    expect(growth).toBeLessThan(60e6);
    await expect.poll(() => world.upstream.openSockets(), { timeout: 5000 }).toBeLessThanOrEqual(2);
  });
});
