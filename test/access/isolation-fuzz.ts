/**
 * A thousand organizations on one gateway and random operations of some of them, on the data plane and the admin API, into
 * their own and into others. Whatever comes back is searched for what only others may see.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openClosers } from '#app/closers.ts';
import { openStorage } from '#app/storage.ts';
import { openApp } from '#app.ts';
import { type Config, loadConfig } from '#config/load.ts';
import { systemClock } from '#core/clock.ts';
import { asOrgId, asServerId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { withOrganization } from '#db/scope.ts';
import { type Answer, bearer, call, initialize, send } from '#kit/http-client.ts';
import { canaryOf, nameOf, seedOrganizations } from '#kit/organization-rows.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { json, type RecordedRequest, result, type Script, startRecordingUpstream } from '#kit/recording-upstream.ts';

export interface FuzzOptions {
  readonly organizations: number;
  /** That have keys, and act. */
  readonly active: number;
  readonly operations: number;
  readonly seed: number;
  readonly deadlineMs: number;
}

export interface FuzzReport {
  readonly operations: number;
  /** Of an organization at its own, that were let in and found what is its own. */
  readonly own: number;
  /** Into another organization, all refused. */
  readonly crossing: number;
  /** One sentence each. */
  readonly leaks: readonly string[];
}

/** Mulberry32: the same operations for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const credentialOf = (n: number) => `credential-${canaryOf(n)}`;
const mark = /\b(nm|sc)(\d{5})x/g;

/** Each organization's own server; a credential of another at it is a leak. */
const serveAs =
  (leaks: string[]): Script =>
  (request, res) => {
    const n = Number(/nm(\d{5})x/.exec(request.target)?.[1]);
    const { authorization } = request.headers;
    if (authorization !== undefined && authorization !== `Bearer ${credentialOf(n)}`)
      leaks.push(`${nameOf(n)} was sent ${authorization}`);
    if (foreignIn(request.text, n)) leaks.push(`${nameOf(n)} was sent ${request.text}`);
    if (request.method !== 'POST') return void res.writeHead(405).end();
    if (request.rpc.id === undefined) return void res.writeHead(202).end();
    return answerAs(request, n)(request, res);
  };

function foreignIn(text: string, own: number): boolean {
  return [...text.matchAll(mark)].some(([, , digits]) => Number(digits) !== own);
}

function answerAs({ rpc, headers }: RecordedRequest, n: number): Script {
  if (headers['mcp-protocol-version'] === '2026-07-28')
    return json(
      { jsonrpc: '2.0', id: rpc.id, error: { code: -32022, message: 'Unsupported', data: { supported: [] } } },
      400,
    );
  switch (rpc.method) {
    case 'initialize':
      return result({
        protocolVersion: '2025-11-25',
        capabilities: { tools: {}, resources: {} },
        serverInfo: { name: canaryOf(n), version: '1' },
      });
    case 'tools/list':
      return result({
        tools: [{ name: `tool-${nameOf(n)}`, description: canaryOf(n), inputSchema: { type: 'object' } }],
      });
    case 'resources/list':
      return result({ resources: [{ uri: `data://${canaryOf(n)}`, name: canaryOf(n) }] });
    case 'tools/call':
      return result({ content: [{ type: 'text', text: canaryOf(n) }] });
    default:
      return result({});
  }
}

interface Step {
  readonly url: string;
  readonly key: string;
  readonly own: number;
  readonly other: number;
  readonly count: number;
}

interface Operation {
  readonly sent: (step: Step) => Promise<Answer>;
  /** Names of the other organization are in the request: they may come back, its secrets never. */
  readonly crosses?: boolean;
  /** Of one's own: what must be in the answer. */
  readonly finds?: boolean;
}

const at = ({ url, own }: Step, below = '') => `${url}/${nameOf(own)}/mcp${below}`;
const list = (method: string) => ({ jsonrpc: '2.0', id: 1, method });
const rest = (key: string) => ({ ...bearer(key), accept: 'application/json' });
const get = (url: string, key: string) => send(url, { method: 'GET', headers: rest(key) });
const admin = ({ url }: Step, n: number, noun: string) => `${url}/admin/api/v1/organizations/${nameOf(n)}/${noun}`;

async function inSession(url: string, { key }: Step, body: unknown): Promise<Answer> {
  const hello = await send(url, { headers: bearer(key), body: initialize() });
  const id = hello.headers['mcp-session-id'];
  const headers = { ...bearer(key), 'mcp-protocol-version': '2025-11-25' };
  return send(url, { headers: typeof id === 'string' ? { ...headers, 'mcp-session-id': id } : headers, body });
}

const sessions = new Map<number, string>();

/** What an organization does at home, and what it tries abroad. */
const operations: readonly Operation[] = [
  { finds: true, sent: (s) => inSession(at(s), s, list('tools/list')) },
  { finds: true, sent: (s) => inSession(at(s, `/${nameOf(s.own)}`), s, list('tools/list')) },
  { finds: true, sent: (s) => inSession(at(s, `/c-${nameOf(s.own)}`), s, call(`tool-${nameOf(s.own)}`)) },
  { finds: true, sent: (s) => inSession(at(s, `/k-${nameOf(s.own)}`), s, call(`tool-${nameOf(s.own)}`)) },
  { finds: true, sent: (s) => inSession(`${s.url}/mcp`, s, call(`${nameOf(s.own)}_tool-${nameOf(s.own)}`)) },
  { sent: (s) => inSession(at(s), s, list('resources/list')) },
  { finds: true, sent: (s) => get(`${s.url}/servers`, s.key) },
  { finds: true, sent: (s) => get(`${s.url}/openapi.json`, s.key) },
  { finds: true, sent: (s) => get(`${s.url}/mcp/tools`, s.key) },
  { sent: (s) => get(`${s.url}/tenants`, s.key) },
  { sent: (s) => get(`${s.url}/meta/stats`, s.key) },
  { sent: (s) => send(`${s.url}/refresh`, { headers: rest(s.key), body: {} }) },
  {
    finds: true,
    sent: (s) =>
      send(`${s.url}/api/servers/${nameOf(s.own)}/tools/tool-${nameOf(s.own)}`, { headers: rest(s.key), body: {} }),
  },
  { finds: true, sent: (s) => get(admin(s, s.own, 'collections'), s.key) },
  { sent: (s) => get(admin(s, s.own, 'keys'), s.key) },
  { sent: (s) => get(admin(s, s.own, 'clients'), s.key) },
  { sent: (s) => get(admin(s, s.own, 'pins'), s.key) },
  {
    sent: (s) =>
      send(admin(s, s.own, 'collections'), {
        headers: rest(s.key),
        body: { name: `by-${nameOf(s.own)}-${s.count}`, allowedRoles: '*', bindings: [] },
      }),
  },
  { crosses: true, sent: (s) => inSession(`${s.url}/${nameOf(s.other)}/mcp`, s, list('tools/list')) },
  {
    crosses: true,
    sent: (s) => inSession(`${s.url}/${nameOf(s.other)}/mcp/${nameOf(s.other)}`, s, call(`tool-${nameOf(s.other)}`)),
  },
  { crosses: true, sent: (s) => inSession(`${s.url}/mcp/${nameOf(s.other)}`, s, call(`tool-${nameOf(s.other)}`)) },
  { crosses: true, sent: (s) => inSession(`${s.url}/mcp/k-${nameOf(s.other)}`, s, list('tools/list')) },
  { crosses: true, sent: (s) => inSession(`${s.url}/mcp`, s, call(`${nameOf(s.other)}_tool-${nameOf(s.other)}`)) },
  {
    crosses: true,
    sent: (s) =>
      send(`${s.url}/mcp`, {
        headers: { ...bearer(s.key), 'x-organization-id': nameOf(s.other) },
        body: initialize(),
      }),
  },
  {
    crosses: true,
    sent: async (s) => {
      const hello = await send(at(s), { headers: bearer(s.key), body: initialize() });
      const stolen = sessions.get(s.other);
      const id = hello.headers['mcp-session-id'];
      if (typeof id === 'string') sessions.set(s.own, id);
      const headers = { ...bearer(s.key), 'mcp-protocol-version': '2025-11-25', 'mcp-session-id': stolen ?? 'none' };
      return send(at(s), { headers, body: list('tools/list') });
    },
  },
  {
    crosses: true,
    sent: (s) =>
      send(`${s.url}/api/servers/${nameOf(s.other)}/tools/tool-${nameOf(s.other)}`, { headers: rest(s.key), body: {} }),
  },
  {
    crosses: true,
    sent: (s) =>
      send(`${s.url}/meta/search_tools`, {
        headers: rest(s.key),
        body: { query: `${nameOf(s.other)} tool`, limit: 50 },
      }),
  },
  {
    crosses: true,
    sent: (s) =>
      send(`${s.url}/meta/call_tool`, {
        headers: rest(s.key),
        body: { tool_name: `${nameOf(s.other)}_tool-${nameOf(s.other)}` },
      }),
  },
  ...['collections', 'keys', 'clients', 'pins'].map((noun) => ({
    crosses: true,
    sent: (s: Step) => get(admin(s, s.other, noun), s.key),
  })),
  {
    crosses: true,
    sent: (s) =>
      send(admin(s, s.other, 'collections'), {
        headers: rest(s.key),
        body: { name: `by-${nameOf(s.own)}-${s.count}`, allowedRoles: '*', bindings: [] },
      }),
  },
  {
    crosses: true,
    sent: (s) =>
      send(admin(s, s.other, 'keys'), {
        headers: rest(s.key),
        body: { name: `by-${nameOf(s.own)}-${s.count}`, roles: [] },
      }),
  },
];

/** What is wrong with an answer. */
function judge(answer: Answer, { own, other }: Step, operation: Operation): string | undefined {
  const text = `${answer.text} ${JSON.stringify(answer.headers)}`;
  for (const [whole, kind, digits] of text.matchAll(mark)) {
    if (Number(digits) === own) continue;
    const isEcho = operation.crosses && kind === 'nm' && Number(digits) === other;
    if (!isEcho) return `${nameOf(own)} saw ${whole}: ${answer.status} ${answer.text.slice(0, 300)}`;
  }
  if (operation.finds && !answer.text.includes(canaryOf(own)) && !answer.text.includes(nameOf(own)))
    return `${nameOf(own)} doesn't find its own: ${answer.status} ${answer.text.slice(0, 300)}`;
  return undefined;
}

export async function fuzzIsolation(options: FuzzOptions): Promise<FuzzReport> {
  const leaks: string[] = [];
  const [database, upstream] = await Promise.all([createTestDatabase(), startRecordingUpstream()]);
  upstream.script(serveAs(leaks));
  const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-fuzz-'));
  const env = {
    ...{ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'error', DATABASE_URL: database.url },
    ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
  };
  const file = join(dataDir, 'gatehouse.yaml');
  const yaml = `egress: { allow: ['127.0.0.1'] }
limits: { principal: { requestsPerMinute: 1000000 }, organization: { requestsPerMinute: 1000000 }, address: { requestsPerMinute: 1000000 } }
`;
  const config = loadConfig({ env, cwd: dataDir, readFile: (path) => (path === file ? yaml : undefined) });
  const ids = await seedOrganizations(database, { count: options.organizations, upstream: upstream.url });
  const random = randomOf(options.seed);
  const active = Array.from({ length: options.active }, (_, i) =>
    Math.floor((i * options.organizations) / options.active),
  );
  const cast = { database, ids, active };
  const keys = await addKeys(config, cast);
  const app = await openApp(config, { version: '0.0.0' });
  const counts = { operations: 0, own: 0, crossing: 0 };
  const endsAt = Date.now() + options.deadlineMs;
  const step = async () => {
    const own = active[random(active.length)] ?? 0;
    // Half of the others are ones whose caches are warm.
    const drawn = random(2) === 0 ? (active[random(active.length)] ?? 0) : random(options.organizations);
    const other = drawn === own ? (own + 1) % options.organizations : drawn;
    const operation = operations[random(operations.length)];
    if (!operation) return;
    const count = counts.operations++;
    const asked = { url: app.url, key: keys.get(own) ?? '', own, other, count };
    const answer = await operation.sent(asked);
    const wrong = judge(answer, asked, operation);
    if (wrong) leaks.push(wrong);
    else if (operation.crosses) counts.crossing++;
    else if (operation.finds) counts.own++;
    if (count % 40 === 0) await renew(database, ids[own]);
  };
  const worker = async () => {
    while (counts.operations < options.operations && Date.now() < endsAt) await step();
  };
  try {
    await Promise.all(Array.from({ length: 6 }, worker));
  } finally {
    await app.close();
  }
  leaks.push(...(await leftBehind(cast)));
  await upstream.close();
  await database.close();
  rmSync(dataDir, { recursive: true, force: true });
  return { ...counts, leaks };
}

interface Cast {
  readonly database: TestDatabase;
  readonly ids: readonly string[];
  readonly active: readonly number[];
}

/** A key that administers its organization, and a collection with a sealed credential, for each. */
async function addKeys(config: Config, { database, ids, active }: Cast): Promise<ReadonlyMap<number, string>> {
  const closers = openClosers();
  const { records } = await openStorage(config, { clock: systemClock, log: silentLog, closers });
  const keys = new Map<number, string>();
  for (const n of active) {
    const org = asOrgId(ids[n] ?? '');
    const roles = ['reader', 'admin:*'];
    const made = await records.insertKey(org, { name: 'fuzz', roles, endpoints: undefined, expiresAt: undefined });
    keys.set(n, made.text.reveal());
    const [server] = await database.sql('select id from gateway.servers where key = $1', [nameOf(n)]);
    const binding = {
      server: asServerId(String(server?.id)),
      partition: undefined,
      credential: new Secret(credentialOf(n)),
      header: undefined,
      enforced: {},
    };
    const collection = { name: `k-${nameOf(n)}`, allowedRoles: '*', managedBy: 'api', bindings: [binding] } as const;
    await records.insertCollection(org, collection);
  }
  await closers.closeAll(silentLog);
  return keys;
}

/** Snapshots are made anew under the calls. */
const renew = ({ sql }: TestDatabase, id: string | undefined) =>
  sql('update gateway.enablements set updated_at = now() where org_id = $1', [id]);

/** What was written: nothing stands in another's organization, and nobody's record says what only others may see. */
async function leftBehind({ database, ids, active }: Cast): Promise<readonly string[]> {
  const found: string[] = [];
  for (const table of ['collections', 'api_keys']) {
    const rows =
      await database.sql(`select x.name, o.slug from gateway.${table} x join gateway.organizations o on o.id = x.org_id
      where x.name like 'by-%' and x.name not like 'by-' || o.slug || '-%'`);
    found.push(...rows.map(({ name, slug }) => `${name} stands in ${slug}`));
  }
  for (const n of active) {
    const org = asOrgId(ids[n] ?? '');
    for (const table of ['usage', 'audit'] as const) {
      const rows = await withOrganization(database.db, org, ({ tx }) => tx.selectFrom(table).selectAll().execute());
      for (const row of rows)
        if (row.org_id !== org || secretIn(JSON.stringify(row), n))
          found.push(`${nameOf(n)} reads ${JSON.stringify(row)}`);
    }
  }
  return found;
}

const secretIn = (text: string, own: number) =>
  [...text.matchAll(mark)].some(([, kind, digits]) => kind === 'sc' && Number(digits) !== own);
