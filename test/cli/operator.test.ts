/** What operators ask of a gateway from the command line: registrations, what has expired, figures, certificates. */
import { createServer, type Server } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { judge, lookAt, type SeenCertificate } from '#cli/certificate.ts';
import { createSelfSigned } from '#kit/identity/self-signed.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';

let database: TestDatabase;
let env: Record<string, string>;
const run = async (...args: string[]) => {
  const ran = await cli([...args, '--json'], { env });
  expect(ran.err).toBe('');
  return JSON.parse(ran.out);
};

beforeAll(async () => {
  database = await createTestDatabase();
  env = {
    ...{
      DATABASE_URL: database.url,
      ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
      DATA_DIR: '/nonexistent/data',
    },
  };
  await database.sql(`insert into gateway.organizations (slug, name) values ('acme', 'Acme')`);
  await database.sql(`insert into gateway.users (subject, email) values ('ada', 'ada@example.com')`);
  await database.sql(`insert into gateway.oauth_clients (id, metadata, signed_in_at, expires_at) values
    ('client_live', '{"client_name": "Editor", "redirect_uris": ["http://127.0.0.1:1/cb", "http://127.0.0.1:1/other"]}', now(), now() + interval '1 day'),
    ('client_pending', '{"redirect_uris": ["https://ai.example/cb"]}', null, null),
    ('client_dead', '{"redirect_uris": []}', now(), now() - interval '1 minute')`);
  await database.sql(`insert into gateway.oauth_records (model, id, payload, client_id, expires_at)
    select 'AccessToken', 'live' || i, '{}'::jsonb, 'client_live', now() + interval '1 hour' from generate_series(1, 3) i union all
    select 'RefreshToken', 'gone' || i, '{}', 'client_live', now() - interval '1 hour' from generate_series(1, 2500) i union all
    select 'AuthorizationCode', 'gone', '{}', 'client_live', now() - interval '1 hour' union all
    select 'RefreshToken', 'of-dead', '{}', 'client_dead', now() + interval '1 hour' union all
    select 'Session', 'browser', '{}', null, now() + interval '1 hour'`);
  await database.sql(`insert into gateway.sign_in_attempts values ('d', 's', now() - interval '1 hour')`);
  await database.sql(`insert into gateway.usage (id, timestamp, subject, method, endpoint, status_code, response_time_ms,
      bytes_in, bytes_out, client_ip, open)
    select gateway.uuidv7(), now() - hours * interval '1 hour', 'ada', 'POST', '/', status, 1, 1, 1, '::1', false
    from (values (1, 200), (2, 403), (30, 200)) v (hours, status)`);
}, 60_000);
afterAll(() => database?.close());

test('figures count what is good now, and the calls of a day [S1.47]', async () => {
  expect(await run('stats')).toMatchObject({
    ...{ organizations: 1, people: 1, clients: 2, pendingClients: 1, accessTokens: 3, refreshTokens: 1, signIns: 1 },
    ...{ calls: 2, failedCalls: 1, callers: 1 },
  });
  const shown = await cli(['stats'], { env });
  expect(shown.out).toContain('2 (1 failed) by 1 callers');
});

test('registrations are listed with their state and tokens [S1.47]', async () => {
  const listed = await run('registration', 'list');
  expect(listed.map(({ id, state, tokens }: Record<string, unknown>) => [id, state, tokens]).sort()).toEqual([
    ['client_dead', 'expired', 1],
    ['client_live', 'active', 3],
    ['client_pending', 'pending', 0],
  ]);
  const found = await run('registration', 'list', '--search', 'editor');
  expect(found).toMatchObject([{ id: 'client_live', name: 'Editor', redirectHosts: ['127.0.0.1:1'] }]);
});

test('what has expired is counted first, then removed, and nothing else [S1.47]', async () => {
  const expired = { clients: 1, tokens: 2500, otherRecords: 1, signInAttempts: 1, portalSessions: 0 };
  expect(await run('purge', '--dry-run')).toEqual({ dryRun: true, ...expired });
  expect(await run('purge', '--dry-run')).toEqual({ dryRun: true, ...expired });
  expect(await run('purge')).toEqual({ dryRun: false, ...expired });
  expect(await run('purge')).toMatchObject({ clients: 0, tokens: 0 });
  const left = await database.sql(`select model, count(*)::int as n from gateway.oauth_records group by 1 order by 1`);
  expect(left).toEqual([
    { model: 'AccessToken', n: 3 },
    { model: 'Session', n: 1 },
  ]);
  expect((await run('registration', 'list')).length).toBe(2);
});

test('a registration goes with its tokens, once [S1.47]', async () => {
  expect((await cli(['registration', 'remove'], { env })).code).toBe(2);
  expect(await run('registration', 'remove', '--search', 'editor')).toEqual({ removed: ['client_live'] });
  expect(await database.sql(`select id from gateway.oauth_records where client_id = 'client_live'`)).toEqual([]);
  const again = await cli(['registration', 'remove', 'client_live'], { env });
  expect(again).toMatchObject({ code: 1, err: 'There is no such registration\n' });
  const kept = await database.sql(
    `select action, target from gateway.audit where action like 'registration.%' order by at`,
  );
  expect(kept.map(({ action }) => action)).toContain('registration.purge');
  expect(kept.filter(({ action }) => action === 'registration.remove')[0]).toMatchObject({ target: 'client_live' });
});

describe('a certificate', () => {
  let server: Server;
  let url: URL;
  beforeAll(async () => {
    server = createServer({ ...createSelfSigned(['mcp.example.com', 'localhost']) });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    url = new URL(`https://localhost:${typeof address === 'object' && address ? address.port : 0}`);
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  test('is shown with its names and days; one that clients refuse is a failure [S1.47]', async () => {
    const seen = await lookAt(url, Date.now());
    expect(seen).toMatchObject({ names: ['mcp.example.com', 'localhost'], daysLeft: 0 });
    expect(seen.problem).not.toBeNull();
    const shown = await cli(['certificate', url.host]);
    expect(shown.code).toBe(1);
    expect(shown.out).toContain('(mcp.example.com, localhost)');
    expect(shown.err).toContain(`clients refuse the certificate of ${url.host}`);
    const { findings } = JSON.parse((await cli(['doctor', '--json'], { env: { ...env, BASE_URL: url.href } })).out);
    expect(findings).toContainEqual(expect.objectContaining({ check: 'certificate', state: 'failed' }));
  }, 30_000);

  test('that ends within two weeks is to be renewed', () => {
    const seen: SeenCertificate = {
      ...{ host: 'mcp.example.com', subject: 'mcp.example.com', names: [], issuer: 'CA', problem: null },
      ...{ validFrom: '2026-01-01T00:00:00.000Z', validTo: '2026-04-01T00:00:00.000Z', daysLeft: 13 },
    };
    expect(judge(seen)).toMatchObject({ state: 'warning', said: expect.stringContaining('13 days') });
    expect(judge({ ...seen, daysLeft: 14 }).state).toBe('ok');
  });

  test('is not there where nothing speaks TLS, and it says so', async () => {
    expect(await cli(['certificate', 'http://127.0.0.1:9'])).toMatchObject({ code: 1 });
    const refused = await cli(['certificate', 'https://127.0.0.1:9']);
    expect(refused.err).toContain('shows no certificate');
    expect((await cli(['certificate'])).err).toContain('BASE_URL is not set');
  });
});
