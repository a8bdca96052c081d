/**
 * Tokens per second of the built-in authorization server on real PostgreSQL: `node bench/oauth.ts [seconds] [rounds]
 * [page]`, with `page` into docs/reference/sign-in-rates.md. The server is a process of its own, the load comes from
 * this one, over loopback.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
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
  workloadIssuers: [],
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

interface Sample {
  readonly perSecond: number;
  /** Milliseconds of the server's processor. */
  readonly cpuMs: number;
  readonly statements: number;
}

type Work = (lane: number) => Promise<unknown>;

const lanes = Array.from({ length: chains }, (_, lane) => lane);

async function measure(child: ChildProcess, seconds: number, work: Work): Promise<Sample> {
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
  return {
    perSecond,
    cpuMs: (after.cpuMs - before.cpuMs) / done,
    statements: (after.statements - before.statements) / done,
  };
}

async function run(child: ChildProcess, { rounds, seconds }: { readonly rounds: number; readonly seconds: number }) {
  const [message] = await once(child, 'message');
  const { url, client, publicId, refreshTokens } = ready.parse(message);
  const basic = Buffer.from(`${client.id}:${client.secret}`).toString('base64');
  const asked = () => post(`${url}/token`, { grant_type: 'client_credentials', scope: 'mcp:read' }, basic);
  const token = (await asked()).access_token ?? '';
  let persons = '';
  const introspect = (presented: () => string) => async () => {
    const { active } = await post(`${url}/introspect`, { token: presented() }, basic);
    if (active !== true) throw new Error('the token is not active');
  };
  const works: Readonly<Record<string, Work>> = {
    'client credentials': asked,
    refresh: async (lane) => {
      const form = { grant_type: 'refresh_token', refresh_token: refreshTokens[lane] ?? '', client_id: publicId };
      const { refresh_token = '', access_token = '' } = await post(`${url}/token`, form);
      refreshTokens[lane] = refresh_token;
      persons = access_token;
    },
    "introspection of a client's own token": introspect(() => token),
    "introspection of a person's token by a resource server": introspect(() => persons),
  };
  const samples = new Map<string, Sample[]>();
  // The first round is for the compiler.
  for (let round = 0; round <= rounds; round++) {
    for (const [title, work] of Object.entries(works)) {
      const sample = await measure(child, seconds, work);
      if (round > 0) samples.set(title, [...(samples.get(title) ?? []), sample]);
    }
  }
  return [...samples].map(([title, taken]) => ({ title, ...medianOf(taken) }));
}

function medianOf(samples: readonly Sample[]): Sample {
  const median = (field: keyof Sample) => {
    const sorted = samples.map((sample) => sample[field]).sort((one, other) => one - other);
    return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  };
  return { perSecond: median('perSecond'), cpuMs: median('cpuMs'), statements: median('statements') };
}

type Row = Sample & { readonly title: string };

function pageOf(rows: readonly Row[], { rounds, seconds }: { readonly rounds: number; readonly seconds: number }) {
  const table = rows.map(
    ({ title, perSecond, cpuMs, statements }) =>
      `| ${title} | ${perSecond.toFixed(0)} | ${cpuMs.toFixed(2)} | ${statements.toFixed(0)} |`,
  );
  return `# Rates of the authorization server

Made by \`node bench/oauth.ts\` on ${new Date().toISOString().slice(0, 10)}: ${availableParallelism()} cores, Node ${process.versions.node}. Absolute figures drift with the machine.

| request | per second | CPU ms each | round trips to PostgreSQL |
| --- | --- | --- | --- |
${table.join('\n')}

- One server process, ${chains} requests at a time from another process, PostgreSQL in a third one; all of them share the machine. CPU is the server's alone.
- Tokens are signed with ${settings.signingAlgorithm}; each can be revoked, so a row is written for it. A refresh uses its token up, exactly one of any number of racers.
- Medians of ${rounds} rounds of ${seconds} s in which the requests take turns, after one that isn't counted.
`;
}

if (process.send) await serve(process.argv[2] ?? '');
else {
  const postgres = await startPostgres();
  const child = fork(import.meta.filename, [postgres.url('postgres')]);
  const [seconds, rounds] = [Number(process.argv[2] ?? 3), Number(process.argv[3] ?? 5)];
  try {
    const page = pageOf(await run(child, { rounds, seconds }), { rounds, seconds });
    console.log(page);
    if (process.argv[4] === 'page')
      writeFileSync(join(import.meta.dirname, '../docs/reference/sign-in-rates.md'), page);
  } finally {
    child.kill();
    await postgres.stop();
  }
}
