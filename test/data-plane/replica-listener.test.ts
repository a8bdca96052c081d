import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { deriveKey } from '#core/derive.ts';
import { silentLog } from '#core/log.ts';
import { openReplicas, type Replicas } from '#gateway/replicas/replicas.ts';
import { type RunningGateway, startGateway } from '#kit/gateway.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { findReplica, putReplica, removeReplica } from '#records/replicas.ts';

const secret = 'a-root-secret-that-all-replicas-share';
const configYaml = 'organizations: [{ slug: demo, name: Demo }]\n';

describe('gateways with REPLICA_URL on one PostgreSQL', () => {
  let database: TestDatabase;
  let one: RunningGateway;
  let two: RunningGateway;
  /** A third replica, in this process. */
  let three: Replicas;
  beforeAll(async () => {
    database = await createTestDatabase();
    const env = { DATABASE_URL: database.url, ENCRYPTION_KEY: secret, REPLICA_URL: 'http://127.0.0.1:0' };
    one = await startGateway({ configYaml, env });
    two = await startGateway({ configYaml, env });
    three = await openReplicas({
      key: deriveKey(secret, 'replica-hop'),
      store: {
        put: (row, seconds) => putReplica(database.db, row, seconds),
        find: (id) => findReplica(database.db, id),
        remove: (id) => removeReplica(database.db, id),
      },
      clock: systemClock,
      log: silentLog,
    });
  });
  afterAll(async () => {
    await three?.close();
    await Promise.all([one?.stop(), two?.stop()]);
    await database?.close();
  });

  const registered = () => database.sql('select id, url from gateway.replicas order by started_at');
  const ask = (id: unknown) =>
    three.call(String(id), { kind: 'nobody-handles-this', body: {} }, { signal: AbortSignal.timeout(10_000) });

  test('each is registered under an address of its own, and answers there to replicas only', async () => {
    const rows = await registered();
    expect(rows).toHaveLength(2);
    expect(new Set(rows.map(({ url }) => url)).size).toBe(2);
    for (const { id, url } of rows) {
      expect([one.url, two.url]).not.toContain(url);
      await expect(ask(id)).rejects.toMatchObject({ code: 'unknown_method' });
      for (const path of ['/health', '/metrics', '/mcp', '/demo/mcp', '/.well-known/oauth-protected-resource', '/']) {
        const answer = await fetch(`${url}${path}`);
        expect([answer.status, await answer.text()]).toEqual([404, '']);
      }
      expect((await fetch(`${url}/hop/1`, { method: 'POST', body: '{}' })).status).toBe(401);
    }
    expect((await fetch(`${one.url}/hop/1`, { method: 'POST', body: '{}' })).status).not.toBe(200);
  });

  test('one that was killed is unreachable at once, and gone when its entry expired', async () => {
    const [, killed] = await registered();
    await two.kill9();
    const startedAt = performance.now();
    await expect(ask(killed?.id)).rejects.toMatchObject({ code: 'owner_unreachable' });
    expect(performance.now() - startedAt).toBeLessThan(2500);
    await database.sql(`update gateway.replicas set expires_at = now() where id = '${killed?.id}'`);
    await expect(ask(killed?.id)).rejects.toMatchObject({ code: 'owner_gone' });
  });

  test('one that was stopped leaves no entry and no listener', async () => {
    const [row] = await registered();
    expect(await one.stop()).toBe(0);
    expect((await registered()).map(({ id }) => id)).not.toContain(row?.id);
    await expect(ask(row?.id)).rejects.toMatchObject({ code: 'owner_gone' });
    const refused = new Promise((resolve, reject) => {
      connect(Number(new URL(String(row?.url)).port), '127.0.0.1')
        .on('error', resolve)
        .on('connect', reject);
    });
    expect(await refused).toMatchObject({ code: 'ECONNREFUSED' });
  });
});
