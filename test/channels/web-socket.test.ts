import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { WebSocketClientTransport } from '@modelcontextprotocol/sdk/client/websocket.js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { startWorld, type World } from '#kit/world.ts';

describe('WebSocket', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world?.close());
  beforeEach(() => {
    world.upstream.script();
    world.upstream.clear();
  });

  test('the official client calls a tool [S4.27]', async () => {
    const url = new URL(world.url('open').replace('http:', 'ws:'));
    const { authorization } = world.auth;
    class Authorized extends WebSocket {
      constructor(address: string | URL, protocols: string) {
        super(address, protocols, { headers: { authorization } });
      }
    }
    Object.assign(globalThis, { WebSocket: Authorized });
    const client = new Client({ name: 'old', version: '1' });
    await client.connect(new WebSocketClientTransport(url) as never);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(['retrieve', 'echo']);
    const answer = await client.callTool({ name: 'echo', arguments: { a: 1 } });
    expect(answer.content).toEqual([{ type: 'text', text: '{"a":1}' }]);
    await client.close();
  });
});
