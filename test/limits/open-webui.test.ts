/** REQUIREMENTS S3.6 from outside: its figures, its words, its header. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call } from '#kit/http-client.ts';
import { type RestWorld, startRestWorld } from '#kit/rest-world.ts';

let world: RestWorld;
beforeAll(async () => {
  world = await startRestWorld({ env: { RATE_LIMIT_PER_MINUTE: '5', RATE_LIMIT_PER_IP: '7' } });
});
afterAll(() => world?.close());

const refusal = { detail: 'Rate limit exceeded' };

test('one person has so many requests in a minute, whatever the door; another has their own [S3.6]', async () => {
  const statuses = [];
  for (let i = 0; i < 5; i++) statuses.push((await world.get('/servers')).status);
  expect(statuses).toEqual([200, 200, 200, 200, 200]);
  const { bob } = world;
  const refused = [
    await world.get('/servers'),
    await world.post('/mcp/plain/echo', {}),
    await world.post('/mcp/plain', call('echo'), { ...bob, accept: 'application/json, text/event-stream' }),
  ];
  for (const answer of refused) {
    expect([answer.status, answer.json, answer.headers['retry-after']]).toEqual([429, refusal, '60']);
  }
  expect((await world.get('/servers', world.ann)).status).toBe(200);
});

test('strangers are counted by address, and those who are signed in are not [S3.6]', async () => {
  const wrong = { authorization: 'Bearer wrong' };
  const statuses = [];
  for (let i = 0; i < 9; i++) statuses.push(await world.post('/mcp/plain/echo', {}, wrong));
  expect(statuses.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 401, 401, 429, 429]);
  expect(statuses.at(-1)?.json).toEqual(refusal);
  expect(statuses.at(-1)?.headers['retry-after']).toBe('60');
  expect((await world.get('/servers', world.ann)).status).toBe(200);
});
