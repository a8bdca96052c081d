/**
 * Tokens per second of the built-in authorization server on real PostgreSQL: `node bench/oauth.ts [seconds]`. The server
 * is a process of its own, the load comes from this one, over loopback.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fastify from 'fastify';
import { Agent, request } from 'undici';
import { z } from 'zod';
import { databaseAdapters } from '#adapters/database/index.ts';
import { limiterAdapters } from '#adapters/limiter/index.ts';
import { systemClock } from '#core/clock.ts';
import { deriveKey } from '#core/derive.ts';
import { silentLog } from '#core/log.ts';
import { openSealer } from '#core/sealer.ts';
import { migrations } from '#db/migrate.ts';
import { openChangeFeed } from '#db/notified-change-feed.ts';
import { openDb } from '#db/open.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';
import { startPostgres } from '#kit/postgres-server.ts';
import { openAuthorizationServer } from '#oauth/authorization-server.ts';
import { insertOrganization } from '#records/organizations.ts';
import { insertProgramClient } from '#records/program-clients.ts';
import { putMember, upsertIdentity } from '#records/users.ts';

const chains = 32;
const redirectUri = 'https://client.example/callback';
const ready = z.object({
  url: z.string(),
  client: z.object({ id: z.string(), secret: z.string() }),
  publicId: z.string(),
  refreshTokens: z.array(z.string()),
});
type Ready = z.output<typeof ready>;

const settings = {
  signingAlgorithm: process.env.ALGORITHM === 'RS256' ? 'RS256' : 'ES256',
  accessTokenSeconds: 600,
  refreshTokenSeconds: 2_592_000,
  clientSeconds: 0,
  sessionIdleSeconds: 3600,
  sessionMaxSeconds: 43_200,
  registration: { enabled: true, perAddressPerHour: 1000, pending: 1000 },
  clientMetadataDocuments: false,
  resources: [],
  assertionIssuers: [],
} as const;

async function serve(databaseUrl: string): Promise<void> {
  const deps = { migrations, clock: systemClock, log: silentLog };
  const database = await databaseAdapters.open(
    databaseAdapters.config.parse({ kind: 'postgres', url: databaseUrl }),
    deps,
  );
  let statements = 0;
  // BEGIN travels with the statement after it.
  const db = openDb(database.dialect, (sql) => {
    if (!sql.startsWith('start transaction')) statements++;
  });
  process.on('message', () => {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuMs: (user + system) / 1000, statements });
  });
  const feed = await openChangeFeed({ db, notifications: database, log: silentLog });
  const limiter = await limiterAdapters.open({ kind: 'memory' }, { log: silentLog });
  const listening = createServer((req, res) => app.routing(req, res)).listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  const key = deriveKey('a root secret of the benchmark alone', 'oauth');
  const server = await openAuthorizationServer({
    perAddressPerMinute: 1_000_000,
    issuer: url,
    settings,
    db,
    sealer: openSealer(key),
    cookieKeys: [key.toString('base64url')],
    clock: systemClock,
    log: silentLog,
    feed,
    limiter,
    fetch: globalThis.fetch,
    readAddress: (address) => address,
    brokers: [],
  });
  const app = fastify();
  await app.register(server.plugin);
  await app.ready();

  const organization = await withPlatform(db, (scope) => insertOrganization(scope, { slug: 'bench', name: 'Bench' }));
  const made = await withOrganization(db, organization.id, (scope) =>
    insertProgramClient(scope, {
      name: 'bench',
      jwks: undefined,
      grants: ['client_credentials'],
      scopes: ['mcp:read'],
      roles: [],
      redirectUris: [],
      introspects: [url],
      assertionAudiences: {},
    }),
  );
  const registered = await request(`${url}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ redirect_uris: [redirectUri], token_endpoint_auth_method: 'none' }),
  });
  const { client_id: publicId } = z.looseObject({ client_id: z.string() }).parse(await registered.body.json());
  const refreshTokens: string[] = [];
  for (let i = 0; i < chains; i++) refreshTokens.push(await issue(i));
  process.send?.({
    url,
    client: { id: made.client.id, secret: made.secret?.reveal() ?? '' },
    publicId,
    refreshTokens,
  } satisfies Ready);

  async function issue(person: number): Promise<string> {
    const { provider } = server;
    const seen = { provider: 'bench', subject: `person-${person}`, email: 'a@example.com' };
    const user = await withPlatform(db, async (scope) => {
      const known = await upsertIdentity(scope, seen, Date.now());
      await putMember(scope, { userId: known.id, org: organization.id, roles: [] });
      return known;
    });
    const grant = new provider.Grant({ accountId: user.subject, clientId: publicId });
    grant.addResourceScope(url, 'mcp:read mcp:write');
    const known = await provider.Client.find(publicId);
    if (!known) throw new Error('the client is not registered');
    return new provider.RefreshToken({
      client: known,
      accountId: user.subject,
      grantId: await grant.save(),
      gty: 'authorization_code',
      scope: 'mcp:read mcp:write',
      resource: url,
    }).save();
  }
}

const agent = new Agent({ connections: chains, pipelining: 1 });
const answer = z.looseObject({
  access_token: z.string().optional(),
  refresh_token: z.string().optional(),
  active: z.boolean().optional(),
});

async function post(url: string, form: Readonly<Record<string, string>>, basic?: string) {
  const { statusCode, body } = await request(url, {
    method: 'POST',
    dispatcher: agent,
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      ...(basic !== undefined && { authorization: `Basic ${basic}` }),
    },
    body: new URLSearchParams(form).toString(),
  });
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}: ${text}`);
  return answer.parse(JSON.parse(text));
}

const spent = z.object({ cpuMs: z.number(), statements: z.number() });

/** Of the server so far. */
async function spentBy(child: ChildProcess) {
  child.send('spent');
  const [message] = await once(child, 'message');
  return spent.parse(message);
}

interface Measured {
  readonly title: string;
  readonly seconds: number;
  readonly child: ChildProcess;
}

async function measure({ title, seconds, child }: Measured, work: (lane: number) => Promise<unknown>): Promise<void> {
  const lanes = Array.from({ length: chains }, (_, lane) => lane);
  for (const lane of lanes) await work(lane);
  const before = await spentBy(child);
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  let done = 0;
  await Promise.all(
    lanes.map(async (lane) => {
      while (performance.now() < until) {
        await work(lane);
        done++;
      }
    }),
  );
  const perSecond = (done * 1000) / (performance.now() - startedAt);
  const after = await spentBy(child);
  const cpu = ((after.cpuMs - before.cpuMs) / done).toFixed(2);
  const statements = ((after.statements - before.statements) / done).toFixed(1);
  console.log(
    `${title.padEnd(20)} ${perSecond.toFixed(0).padStart(6)} per second, each ${cpu} ms of CPU and ${statements} statements`,
  );
}

async function run(child: ChildProcess, seconds: number): Promise<void> {
  const [message] = await once(child, 'message');
  const { url, client, publicId, refreshTokens } = ready.parse(message);
  const basic = Buffer.from(`${client.id}:${client.secret}`).toString('base64');
  const asked = () => post(`${url}/token`, { grant_type: 'client_credentials', scope: 'mcp:read' }, basic);
  await measure({ title: 'client credentials', seconds, child }, asked);
  let persons = '';
  await measure({ title: 'refresh', seconds, child }, async (lane) => {
    const form = { grant_type: 'refresh_token', refresh_token: refreshTokens[lane] ?? '', client_id: publicId };
    const { refresh_token = '', access_token = '' } = await post(`${url}/token`, form);
    refreshTokens[lane] = refresh_token;
    persons = access_token;
  });
  const token = (await asked()).access_token ?? '';
  const introspect = (presented: string) => async () => {
    const { active } = await post(`${url}/introspect`, { token: presented }, basic);
    if (active !== true) throw new Error('the token is not active');
  };
  await measure({ title: 'introspection', seconds, child }, introspect(token));
  await measure({ title: "a person's token", seconds, child }, introspect(persons));
}

if (process.send) await serve(process.argv[2] ?? '');
else {
  const postgres = await startPostgres();
  const child = fork(import.meta.filename, [postgres.url('postgres')]);
  try {
    await run(child, Number(process.argv[2] ?? 5));
  } finally {
    child.kill();
    await postgres.stop();
  }
}
