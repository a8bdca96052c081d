/**
 * What a day of registrations of one and the same client leaves behind: `node bench/registrations.ts [15000]`. Real
 * PostgreSQL, the real endpoint over HTTP; one in a hundred is signed in through; then a day passes (by our clock) and
 * the sweep runs; all of it twice.
 */
import pg from 'pg';
import { Agent, request } from 'undici';
import { openDb } from '#db/open.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { openTestServer, registerClient, signIn } from '#kit/oauth.ts';
import { openTestDatabase } from '#kit/postgres.ts';
import { startPostgres } from '#kit/postgres-server.ts';

const wanted = Number(process.argv[2] ?? 15_000);
const signedIn = Math.ceil(wanted / 100);
const atOnce = 16;

const server = await startPostgres();
const url = server.url('postgres');
const database = await openTestDatabase(url);
const operator = new pg.Pool({ connectionString: url, max: 2 });
const sql = async (text: string) => (await operator.query(text)).rows;
const clock = manualClock();
const t = await openTestServer({
  clock,
  database: { url, database, db: openDb(database.dialect), sql, close: async () => undefined },
  settings: { registration: { enabled: true, perAddressPerHour: 2 * wanted, pending: wanted + 1 } },
});
const agent = new Agent({ connections: atOnce });

async function report(title: string): Promise<void> {
  const [row] = await sql(`select count(*)::int as rows,
    round(pg_total_relation_size('gateway.oauth_clients') / 1048576.0, 1) as clients,
    (select count(*)::int from gateway.oauth_records) as records,
    round(pg_total_relation_size('gateway.oauth_records') / 1048576.0, 1) as kept from gateway.oauth_clients`);
  console.log(`${title}: ${row?.rows} clients, ${row?.clients} MiB; ${row?.records} other records, ${row?.kept} MiB`);
}

const body = JSON.stringify({
  client_name: 'An editor that everybody has',
  client_uri: 'https://editor.example',
  redirect_uris: ['http://localhost:33418/callback', 'https://editor.example/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  token_endpoint_auth_method: 'none',
  scope: 'mcp:read mcp:write',
});

async function register(): Promise<void> {
  const answer = await request(`${t.url}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    dispatcher: agent,
  });
  await answer.body.dump();
  if (answer.statusCode !== 201) throw new Error(`registration answered ${answer.statusCode}`);
}

async function day(name: string): Promise<void> {
  const started = performance.now();
  let left = wanted - signedIn;
  const worker = async () => {
    while (left-- > 0) await register();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const perSecond = Math.round((wanted - signedIn) / ((performance.now() - started) / 1000));
  for (let i = 0; i < signedIn; i++) await signIn(t, { client: await registerClient(t) });
  await report(`${name}, ${wanted} registrations at ${perSecond} a second, ${signedIn} signed in through`);
  clock.advance(24 * 3_600_000);
  const sweeping = performance.now();
  await t.server.sweep();
  const sweptMs = Math.round(performance.now() - sweeping);
  await sql('vacuum (analyze) gateway.oauth_clients, gateway.oauth_records');
  await report(`${name}, a day later, swept in ${sweptMs} ms`);
}

try {
  await report('before');
  await day('first day');
  await day('second day');
} finally {
  await agent.close();
  await t.close();
  await operator.end();
  await database.close();
  await server.stop();
}
