import { createServer } from 'node:https';
import { Agent, request } from 'undici';
import { afterEach, expect, test } from 'vitest';
import { createSelfSigned } from '#kit/identity/self-signed.ts';
import { listenOnLoopback } from '#kit/listen.ts';
import { type AddressGuardOptions, addressGuard } from './address-guard.ts';
import { guardedConnect } from './guarded-connect.ts';

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

async function startSecure(names: readonly string[]) {
  const own = createSelfSigned(names);
  let connections = 0;
  const greeted: unknown[] = [];
  const server = createServer(own, (_request, response) => response.end('hello'));
  server.on('connection', () => connections++);
  server.on('secureConnection', (socket) => greeted.push(socket.servername));
  const { port, close } = await listenOnLoopback(server);
  opened.push(close);
  return { port, ca: own.cert, greeted, connections: () => connections };
}

function agentFor(options: AddressGuardOptions, ca?: string) {
  const agent = new Agent({
    connections: 1,
    connect: guardedConnect({ guard: addressGuard(options), tls: ca ? { ca } : {} }),
  });
  opened.push(() => agent.destroy());
  return agent;
}

const toLoopback = async () => [{ address: '127.0.0.1', family: 4 }];

test('TLS works end to end: the name is verified, the connection is kept', async () => {
  const server = await startSecure(['mcp.corp.example']);
  const agent = agentFor({ allow: ['mcp.corp.example'], resolve: toLoopback }, server.ca);
  for (let i = 0; i < 3; i++) {
    const answer = await request(`https://mcp.corp.example:${server.port}/`, { dispatcher: agent });
    expect([answer.statusCode, await answer.body.text()]).toEqual([200, 'hello']);
  }
  expect(server.connections()).toBe(1);
  expect(server.greeted).toEqual(['mcp.corp.example']);
});

test('a certificate for another name, or of nobody, is refused', async () => {
  const server = await startSecure(['other.example']);
  const url = `https://mcp.corp.example:${server.port}/`;
  const options = { allow: ['mcp.corp.example'], resolve: toLoopback };
  await expect(request(url, { dispatcher: agentFor(options, server.ca) })).rejects.toThrow(/altnames/i);
  await expect(request(url, { dispatcher: agentFor(options) })).rejects.toThrow(/self-signed/i);
});

test('a socket that ended up elsewhere than the lookup said is closed before a byte is spoken [S3]', async () => {
  const server = await startSecure(['mcp.corp.example']);
  const guard = { ...addressGuard({ ports: [server.port] }), resolve: toLoopback };
  const agent = new Agent({ connect: guardedConnect({ guard, tls: { ca: server.ca } }) });
  opened.push(() => agent.destroy());
  const answer = request(`https://mcp.corp.example:${server.port}/`, { dispatcher: agent });
  await expect(answer).rejects.toMatchObject({ code: 'TARGET_REFUSED' });
  expect(server.greeted).toEqual([]);
});

test('a name on an open port that turns out to be private is refused before anything connects [S2]', async () => {
  const server = await startSecure(['mcp.corp.example']);
  const agent = agentFor({ ports: [server.port], resolve: toLoopback }, server.ca);
  const answer = request(`https://mcp.corp.example:${server.port}/`, { dispatcher: agent });
  await expect(answer).rejects.toMatchObject({ code: 'TARGET_REFUSED' });
  expect(server.connections()).toBe(0);
});
