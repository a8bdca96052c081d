/**
 * One decision for every way in (DESIGN rulings 2 to 5): rows are who asks for what, columns are surfaces. Each row has one
 * outcome, and each outcome one answer per surface.
 */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { callSurfaces, listSurfaces, type SurfaceName, serverLists, type Wish } from '#kit/access-surfaces.ts';
import { type AccessWorld, startAccessWorld } from '#kit/access-world.ts';

const people = ['nobody', 'reader', 'grouped', 'tooled', 'narrow', 'direct', 'mailed', 'chief', 'stranger'];
const behindRole = ['files', 'cut', 'ruled', 'permitted'];

type Outcome = 'no-token' | 'bad-token' | 'not-member' | 'unknown' | 'denied' | 'tool-denied' | 'runs' | Refusal;
type Refusal = 'not-enabled' | 'blocked' | 'policy';

interface Row {
  readonly who: string;
  readonly token: () => Promise<string | undefined> | string | undefined;
  readonly server?: string;
  readonly outcome: Outcome;
}

const asPerson = (who: string, outcome: Outcome, server = 'files'): Row => ({
  who: `${who} at ${server}`,
  token: () => world.token(who),
  server,
  outcome,
});

/** Changes are heard by every replica within a second. */
const until = (ask: () => Promise<string>, isIt: (said: string) => boolean) =>
  vi.waitFor(async () => expect(await ask()).toSatisfy(isIt), { timeout: 5000 });

let world: AccessWorld;
const keys: Record<string, string> = {};

beforeAll(async () => {
  world = await startAccessWorld({
    people,
    servers: [...behindRole, 'closed', 'common'],
    yaml: `enablements:
  - { organization: acme, server: common, allMembers: true }
${behindRole.map((server) => `  - { organization: acme, server: ${server}, allowedRoles: [reader] }`).join('\n')}
`,
  });
  const { database, org } = world;
  const { sql } = database;
  const files = await world.serverId('files');
  await sql(`update gateway.members set roles = '["reader"]' where user_id = $1`, [await world.userId('reader')]);
  await sql('delete from gateway.members where user_id = $1', [await world.userId('stranger')]);
  await world.addGroup({ name: 'Whole', server: 'files', people: ['grouped'] });
  await world.addGroup({ name: 'Tools', server: 'files', tools: ['retrieve'], people: ['tooled'] });
  await world.addGroup({ name: 'Narrow', server: 'files', tools: ['other'], people: ['narrow'] });
  const grant = (column: string, holder: string) =>
    sql(`insert into gateway.grants (org_id, ${column}, server_id) values ($1, $2, $3)`, [org, holder, files]);
  await grant('user_id', await world.userId('direct'));
  await grant('email', 'mailed@example.com');
  await sql(`update gateway.enablements set blocked_tools = '["retrieve"]' where server_id = $1`, [
    await world.serverId('cut'),
  ]);
  keys.reading = await world.key('reading', '--roles', 'reader');
  keys.elsewhere = await world.key('elsewhere', '--roles', 'reader', '--endpoints', 'common');
  keys.here = await world.key('here', '--roles', 'reader', '--endpoints', 'files');
  keys.plain = await world.key('plain');
  await sql(
    `insert into gateway.group_members (org_id, group_id, user_id)
       select org_id, id, $2 from gateway.groups where builtin and org_id = $1`,
    [org, await world.userId('chief')],
  );
  for (const url of [world.app.url, world.short.url]) {
    const wish = wishFor({ token: await world.token('chief'), server: 'permitted' });
    await until(
      () => callSurfaces['HTTP, modern']({ ...wish, url }),
      (said) => said === 'ran',
    );
  }
}, 90_000);
afterAll(() => world?.close());

const wishFor = ({
  token,
  server = 'files',
}: {
  readonly token: string | undefined;
  readonly server?: string;
}): Wish => ({
  url: world.app.url,
  shortUrl: world.short.url,
  ...{ server, tool: 'retrieve', token },
});

/** `channel`: the answer is a message inside it. `everything`: the tool is one of all that the caller may use. */
type Kind = 'http' | 'channel' | 'meta' | 'rest' | 'everything' | 'meta-rest';

const columns: Readonly<Record<SurfaceName, Kind>> = {
  'HTTP, legacy': 'http',
  'HTTP, modern': 'http',
  'HTTP+SSE': 'channel',
  WebSocket: 'channel',
  'meta tool': 'meta',
  'REST, by path': 'rest',
  'REST, flat': 'rest',
  'everything, MCP': 'everything',
  '/meta/call_tool': 'meta-rest',
};

const noToken = '401 No token provided.';
const noAccess = /^403 User \S+ does not have access to server '\w+'$/;
const unknownTool = /^(?:200|404) .*Unknown tool: /;
const disabled = (server: string) =>
  `200 -32000 Access Denied: Service '${server}' is not enabled for your organization`;

/** What each kind of surface says of an outcome. Inside a channel and over HTTP it is the same word, the status apart. */
function expected(outcome: Outcome, kind: Kind, server: string): RegExp | string {
  const isMcp = kind !== 'rest' && kind !== 'meta-rest';
  switch (outcome) {
    case 'runs':
      return 'ran';
    case 'no-token':
      // The flat address may be a collection's: whoever brings nothing is told in the words of MCP.
      return isMcp ? noToken : /^401 (?:Authentication required|No token provided\.)$/;
    case 'bad-token':
      return '401 Invalid bearer token.';
    case 'not-member':
      return kind === 'rest' ? noAccess : '403 Access denied';
    case 'unknown':
      if (kind === 'everything' || kind === 'meta-rest') return unknownTool;
      return isMcp ? '404 Collection not found' : `404 Server '${server}' not found`;
    case 'denied':
      // Among everything, what isn't theirs isn't there.
      if (kind === 'everything' || kind === 'meta-rest') return unknownTool;
      return isMcp ? '403 Access denied' : noAccess;
    case 'tool-denied':
      if (kind === 'meta' || kind === 'meta-rest') return unknownTool;
      if (kind === 'channel') return '200 -32000 Access denied';
      return isMcp ? '403 Access denied' : noAccess;
    case 'not-enabled':
      if (kind === 'meta' || kind === 'meta-rest') return unknownTool;
      return isMcp ? disabled(server) : `503 Server '${server}' is disabled`;
    case 'blocked':
      if (kind === 'meta' || kind === 'meta-rest') return unknownTool;
      return isMcp
        ? `200 -32000 Access Denied: A tool of '${server}' is switched off`
        : `503 Server '${server}' is disabled`;
    case 'policy':
      if (kind === 'meta' || kind === 'meta-rest') return unknownTool;
      if (!isMcp) return noAccess;
      return `${kind === 'channel' ? 200 : 403} 403 Unauthorized`;
  }
}

async function check({ token, server = 'files', outcome }: Row): Promise<void> {
  const presented = await token();
  const wish = wishFor({ token: presented, server });
  const wrong: string[] = [];
  const compare = (surface: string, said: string, wanted: RegExp | string) => {
    if (typeof wanted === 'string' ? said !== wanted : !wanted.test(said))
      wrong.push(`${surface}: ${said}, not ${wanted}`);
  };
  for (const [name, kind] of Object.entries(columns) as [SurfaceName, Kind][])
    compare(name, await callSurfaces[name](wish), expected(outcome, kind, server));
  for (const [name, look] of Object.entries({ ...listSurfaces, ...serverLists }))
    compare(name, await look(wish), listed(outcome, name));
  expect(wrong).toEqual([]);
}

/** Lists omit what may not be used, and say nothing of it. */
function listed(outcome: Outcome, list: string): RegExp | string {
  const isPublic = /servers|openapi/.test(list);
  if (outcome === 'no-token') return isPublic ? 'hides' : /^401 /;
  if (outcome === 'bad-token') return '401 Invalid bearer token.';
  if (outcome === 'not-member') return '403 Access denied';
  // A server some of whose tools are theirs is theirs.
  if (list in serverLists) return ['unknown', 'denied', 'not-enabled'].includes(outcome) ? 'hides' : 'shows';
  return outcome === 'runs' ? 'shows' : 'hides';
}

const rows: readonly Row[] = [
  { who: 'nobody signed in', token: () => undefined, outcome: 'no-token' },
  { who: 'nobody signed in, at what does not exist', token: () => undefined, server: 'nothing', outcome: 'no-token' },
  { who: 'a token that is none', token: () => 'abc', outcome: 'bad-token' },
  { who: 'a token that is none, at what does not exist', token: () => 'abc', server: 'nothing', outcome: 'bad-token' },
  asPerson('stranger', 'not-member'),
  asPerson('stranger', 'not-member', 'nothing'),
  asPerson('stranger', 'not-member', 'closed'),
  asPerson('nobody', 'unknown', 'nothing'),
  asPerson('nobody', 'denied'),
  asPerson('nobody', 'not-enabled', 'closed'),
  asPerson('nobody', 'runs', 'common'),
  asPerson('reader', 'runs'),
  asPerson('grouped', 'runs'),
  asPerson('grouped', 'denied', 'cut'),
  asPerson('tooled', 'runs'),
  asPerson('narrow', 'tool-denied'),
  asPerson('direct', 'runs'),
  asPerson('mailed', 'runs'),
  asPerson('chief', 'runs'),
  asPerson('chief', 'not-enabled', 'closed'),
  asPerson('chief', 'blocked', 'cut'),
  asPerson('reader', 'blocked', 'cut'),
  { who: 'a key with the role', token: () => keys.reading, outcome: 'runs' },
  { who: 'a key without a role', token: () => keys.plain, outcome: 'denied' },
  { who: 'a key for this endpoint', token: () => keys.here, outcome: 'runs' },
  { who: 'a key for another endpoint', token: () => keys.elsewhere, outcome: 'denied' },
];

describe('one outcome on every surface', () => {
  test.for(rows)('$who: $outcome [S3.12] [S4.13] [S4.20] [X4.1] [X4.2]', (row) => check(row));
});

describe('with a policy', () => {
  const config = (policy: string) =>
    JSON.stringify({ version: '1.0', type: 'cedarv1', cedar: { policies: [policy], entities_json: '[]' } });
  beforeAll(async () => {
    const { database, org } = world;
    for (const [server, policy] of [
      ['ruled', 'forbid(principal, action, resource);'],
      ['permitted', 'permit(principal, action, resource);'],
    ] as const)
      await database.sql(
        'insert into gateway.policies (org_id, name, server_id, config) values ($1, $2, $3, $4::jsonb)',
        [org, server, await world.serverId(server), config(policy)],
      );
    const wish = wishFor({ token: keys.reading, server: 'ruled' });
    await until(
      () => callSurfaces['HTTP, modern'](wish),
      (said) => said !== 'ran',
    );
    await until(
      () => callSurfaces['meta tool'](wish),
      (said) => said !== 'ran',
    );
  });

  const forbidden = [asPerson('reader', 'policy', 'ruled'), asPerson('chief', 'policy', 'ruled')];
  test.for(forbidden)('a forbid holds: $who [S2.18] [X4.2]', (row) => check(row));
  test.for([
    asPerson('reader', 'runs', 'permitted'),
    asPerson('nobody', 'denied', 'permitted'),
    asPerson('chief', 'runs'),
  ])('a permit gives nothing that is not granted: $who', (row) => check(row));
});
