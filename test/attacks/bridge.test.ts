/** Attacks on bridge mode: strangers who use up Entra's patience with us. */
import { expect, test } from 'vitest';
import { send } from '#kit/http-client.ts';
import { startBridgeWorld } from '#kit/identity/bridge-world.ts';

test('made-up codes end at the gateway after a minute’s worth, and keep nobody else from signing in', async () => {
  const world = await startBridgeWorld({ env: { TRUSTED_PROXIES: '127.0.0.1' } });
  try {
    const guess = (address: string, n: number) =>
      send(`${world.gateway.url}/oauth2/token`, {
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-forwarded-for': address },
        body: new URLSearchParams({
          grant_type: 'refresh_token',
          client_id: world.entra.clientId,
          refresh_token: `made-up-${n}`,
        }).toString(),
      });
    const statuses: number[] = [];
    for (let n = 0; n < 70; n++) statuses.push((await guess('203.0.113.7', n)).status);
    expect(statuses.filter((status) => status === 400)).toHaveLength(61);
    const shut = await guess('203.0.113.7', 99);
    expect([shut.status, Number(shut.headers['retry-after'])]).toEqual([429, expect.any(Number)]);
    expect(shut.json).toMatchObject({ error: 'temporarily_unavailable' });
    expect(world.entra.requests.filter(({ path }) => path.endsWith('/token'))).toHaveLength(61);
    expect((await guess('203.0.113.8', 1)).status).toBe(400);
  } finally {
    await world.close();
  }
}, 60_000);

test('a form of thousands of names holds up nobody', async () => {
  const world = await startBridgeWorld();
  try {
    const letters = [...'abcdefghijklmnopqrstuvwxyz'];
    const names = letters.flatMap((a) => letters.flatMap((b) => letters.map((c) => a + b + c)));
    const body = names.join('&').slice(0, 63_000);
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const from = performance.now();
    const floods = [1, 2, 3].map(() => send(`${world.gateway.url}/oauth2/token`, { headers, body }));
    const probe = send(`${world.gateway.url}/health`, { method: 'GET' });
    expect((await Promise.all([probe, ...floods])).map(({ status }) => status)).toEqual([200, 400, 400, 400]);
    expect(performance.now() - from).toBeLessThan(2500);
  } finally {
    await world.close();
  }
}, 60_000);
