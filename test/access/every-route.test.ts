/**
 * Every route of the admin API, of a whole gateway: refuses strangers, whoever has no right to it, fields it does not know,
 * and ids of another organization; and reading what is one's own never fails.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AdminRoute, hasBody, type RouteName, routeNames, routeOf } from '#admin/contract.ts';
import { partsOf, schemaOf } from '#admin/openapi.ts';
import { exampleOf } from '#admin/openapi-examples.ts';
import { errorTable } from '#core/error.ts';
import { objectOf } from '#kit/contract-inputs.ts';
import { tell } from '#kit/portal-data.ts';
import { type PortalAnswer, type PortalBrowser, type PortalWorld, startPortalWorld } from '#kit/portal-world.ts';

let t: PortalWorld;
const people: Record<string, PortalBrowser & { readonly token: string }> = {};
/** What only `other` has, by the part of a path that names it. */
const theirs: Record<string, string> = {};

/** Administrators have a role there, members have none. */
const members = { ada: 'acme', bob: 'acme', olga: 'other', pia: 'other', eve: undefined, root: undefined } as const;

beforeAll(async () => {
  t = await startPortalWorld({
    yaml: "egress: { allow: ['127.0.0.1'] }\n",
    people: [
      ['olga', '--org', 'other', '--roles', 'admin'],
      ['pia', '--org', 'other'],
    ],
  });
  for (const name of Object.keys(members)) {
    const browser = await t.enter(name);
    people[name] = { ...browser, token: await browser.csrf() };
  }
  await fill('acme', 'ada', 'bob');
  Object.assign(theirs, await fill('other', 'olga', 'pia'));
}, 120_000);
afterAll(() => t?.close());

function who(name: string): PortalBrowser & { readonly token: string } {
  const found = people[name];
  if (!found) throw new Error(`nobody is called ${name}`);
  return found;
}

/** One of each thing, with names that nobody else has. */
async function fill(slug: string, chief: string, member: string): Promise<Readonly<Record<string, string>>> {
  const at = `/organizations/${slug}`;
  const post = (path: string, body: object) => tell(who(chief), `POST ${at}${path}`, { ...body });
  const id = async (path: string, body: object) => String((await post(path, body)).id);
  const transport = { kind: 'http', url: 'https://93.184.216.34/mcp' };
  const server = `server-of-${slug}`;
  await tell(who('root'), `POST ${at}/servers`, { key: server, transport, allMembers: false });
  await post('/groups', { name: `group-of-${slug}` });
  await post('/collections', { name: `shelf-of-${slug}`, allowedRoles: '*', bindings: [{ server }] });
  await post('/policies', { name: `rule-of-${slug}`, policies: 'permit(principal, action, resource);' });
  await post('/filters', {
    name: `filter-of-${slug}`,
    kind: 'pattern',
    config: { patterns: [{ name: 'x', expression: 'x' }] },
    action: 'block',
  });
  await post('/credentials', { server, credential: `canary-of-${slug}` });
  await post('/members', { email: `new@${slug}.example` });
  const account = await id('/service-accounts', { name: `robot-of-${slug}` });
  const ids = {
    limits: await id('/limits', { counts: 'organization', points: 10 }),
    keys: await id('/keys', { name: 'machine' }),
    clients: await id('/clients', { name: 'program', grants: ['client_credentials'], scopes: ['mcp:read'] }),
    notifications: await id('/notifications', {
      ...{ name: 'hook', kind: 'webhook', events: ['server.failing'] },
      url: 'https://93.184.216.34/hook-of-canary',
    }),
    'me/access-requests': String(
      (await tell(who(member), `POST ${at}/me/access-requests`, { server, reason: 'work' })).id,
    ),
    'me/keys': String((await tell(who(member), `POST ${at}/me/keys`, { name: 'laptop' })).id),
  };
  const grant = await tell(who(chief), `PUT ${at}/grants`, { group: `group-of-${slug}`, server });
  const [user] = await t.database.sql('select id from gateway.users where username = $1', [member]);
  return {
    ...ids,
    ...{ 'access-requests': ids['me/access-requests'], grants: String(grant.id), 'service-accounts': account },
    ...{ servers: server, groups: `group-of-${slug}`, collections: `shelf-of-${slug}`, policies: `rule-of-${slug}` },
    ...{ filters: `filter-of-${slug}`, members: String(user?.id), connections: String(user?.id) },
    ...{ invitations: `new@${slug}.example`, 'me/accounts': server },
  };
}

type Fields = Readonly<Record<string, unknown>>;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : String(JSON.stringify(value)));

async function ask(
  route: AdminRoute,
  { path, rest = {} }: { readonly path: Fields; readonly rest?: Fields },
  as: string | undefined,
): Promise<PortalAnswer> {
  const line = route.path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(path[name])));
  const query = new URLSearchParams(
    Object.entries(rest).map(([name, value]): [string, string] => [name, textOf(value)]),
  );
  const isBody = hasBody(route.method);
  const url = `/admin/api/v1${line}${isBody || query.size === 0 ? '' : `?${query}`}`;
  const { ask: send, token } = as === undefined ? { ...t.browser(), token: undefined } : who(as);
  const headers = { ...(route.method !== 'GET' && { 'x-csrf-token': token }) };
  return send(route.method, url, { headers, ...(isBody && { body: rest }) });
}

/** As the contract has it: what may be asked, if not of anything that is there. */
function rightOf(route: AdminRoute, organization = 'acme'): { readonly path: Fields; readonly rest: Fields } {
  const { inPath, rest } = partsOf(route);
  const path = inPath.map((name) => [
    name,
    name === 'organization' ? organization : exampleOf(schemaOf(route.input.shape[name] as never, 'input'), name),
  ]);
  return { path: Object.fromEntries(path), rest: exampleOf(schemaOf(rest, 'input')) as Fields };
}

const each = routeNames.map((name): [RouteName, AdminRoute] => [name, routeOf(name)]);
const brief = ({ status, body }: PortalAnswer) => [status, body.code];

/** Of routes whose every answer is read to the end: those that follow go on. */
async function answersOf(asks: readonly (readonly [RouteName, () => Promise<PortalAnswer>])[]) {
  const found: (readonly unknown[])[] = [];
  for (const [name, work] of asks) found.push([name, ...brief(await work())]);
  return found;
}

/** Of the other organization, as its own administrator has it. */
async function contents(): Promise<readonly unknown[]> {
  const lists = ['members', 'groups', 'servers', 'collections', 'policies', 'filters', 'credentials', 'limits', 'keys'];
  const more = ['clients', 'grants', 'service-accounts', 'notifications', 'access-requests', 'sessions', 'tokens'];
  const answers = [];
  for (const list of [...lists, ...more]) {
    const { status, body } = await who('olga').ask('GET', `/admin/api/v1/organizations/other/${list}`);
    expect([list, status]).toEqual([list, 200]);
    const { items } = body;
    // Sessions are used by this very question.
    answers.push([list, Array.isArray(items) && list === 'sessions' ? items.length : items]);
  }
  return answers;
}

test('every route refuses whoever is not signed in, and says no more [B14]', async () => {
  const found = await answersOf(each.map(([name, route]) => [name, () => ask(route, rightOf(route), undefined)]));
  expect(found).toEqual(each.map(([name]) => [name, 401, 'no_token']));
  for (const path of ['/admin/api', '/admin/api/openapi.json', '/admin/api/v1/session', '/admin/api/v1/whoami'])
    expect([path, (await t.browser().ask('GET', path)).status]).toEqual([path, 401]);
});

test('every route refuses whoever has no right to it: members, and administrators of somewhere else [B14]', async () => {
  const before = await contents();
  const refused = (as: string) =>
    answersOf(
      each.flatMap(([name, route]) => (isOpenTo(as, route) ? [] : [[name, () => ask(route, rightOf(route), as)]])),
    );
  const isOpenTo = (as: string, { scope }: AdminRoute) => as === 'bob' && scope === 'self';
  for (const [as, codes] of [
    ['bob', ['forbidden']],
    ['olga', ['forbidden', 'not_member']],
    ['eve', ['forbidden', 'not_member']],
  ] as const)
    for (const [name, status, code] of await refused(as)) {
      expect([as, name, status]).toEqual([as, name, 403]);
      expect(codes, `${as} ${name}`).toContain(code);
    }
  for (const [name, route] of each)
    if (route.scope === 'platform')
      expect([name, ...brief(await ask(route, rightOf(route), 'ada'))]).toEqual([name, 403, 'forbidden']);
  expect(await contents()).toEqual(before);
}, 60_000);

test('a field that a route does not know is refused, whoever sends it [C17]', async () => {
  for (const [name, route] of each) {
    const { path, rest } = rightOf(route);
    const as = route.scope === 'self' ? 'bob' : 'root';
    for (const field of ['orgId', 'isAdmin', 'createdAt'])
      expect([name, ...brief(await ask(route, { path, rest: { ...rest, [field]: 'x' } }, as))]).toEqual([
        ...[name, 400, 'bad_request'],
      ]);
  }
}, 60_000);

/** What a path names is in the path before it: `limits/:id`. */
function theirsIn(route: AdminRoute): Fields {
  const named = [...route.path.replace('/organizations/:organization', '').matchAll(/\/([a-z][a-z/-]*)\/:(\w+)/g)];
  return Object.fromEntries(
    named.flatMap(([, noun = '', name = '']) => {
      const known = theirs[noun];
      return known === undefined ? [] : [[name, known]];
    }),
  );
}

/** Where the example of the contract would be refused before anybody looks whose it is. */
const bodies: Partial<Record<RouteName, Fields>> = {
  addGroupMember: { email: 'ada@example.com' },
  removeGroupMember: { email: 'ada@example.com' },
};

const withIds = () => each.filter(([, route]) => route.scope !== 'platform' && Object.keys(theirsIn(route)).length > 0);
const uuid = /^[0-9a-f-]{36}$/;
const nobodys = '01932d3c-8f00-7a00-8000-0000000000aa';
const nowhere = (ids: Fields): Fields =>
  Object.fromEntries(
    Object.entries(ids).map(([name, id]) => [
      name,
      uuid.test(String(id)) ? nobodys : String(id).replace('other', 'nobody'),
    ]),
  );
/** What a refusal says, without the name that was sent. */
const said = ({ status, body }: PortalAnswer) => [status, body.code, String(body.detail).replace(/-of-\w+/g, '')];

test("ids of another organization are unknown under one's own, just as what is nowhere [C1] [C12]", async () => {
  const before = await contents();
  expect(withIds().length).toBeGreaterThan(40);
  for (const [name, route] of withIds()) {
    const { path, rest } = rightOf(route);
    const as = route.scope === 'self' ? 'bob' : 'ada';
    const body = bodies[name] ?? rest;
    const foreign = said(await ask(route, { path: { ...path, ...theirsIn(route) }, rest: body }, as));
    const missing = said(await ask(route, { path: { ...path, ...nowhere(theirsIn(route)) }, rest: body }, as));
    expect([name, ...foreign.slice(0, 2)]).toEqual([name, 404, 'not_found']);
    expect([name, ...foreign]).toEqual([name, ...missing]);
  }
  expect(await contents()).toEqual(before);
}, 60_000);

test('nor are they known in a body or a query [C1] [C17]', async () => {
  const { servers: server, groups: group, members: user, keys: key, clients: client } = theirs;
  const { 'service-accounts': serviceAccount } = theirs;
  const asked: readonly (readonly [RouteName, Fields, Fields?])[] = [
    ['setLimit', { counts: 'group', group, points: 5 }],
    ['setLimit', { counts: 'principal', user, points: 5 }],
    ['setLimit', { counts: 'principal', apiKey: key, points: 5 }],
    ['createKey', { name: 'x', serviceAccount }],
    ['createCollection', { name: 'x', allowedRoles: '*', bindings: [{ server }] }],
    ['setCredential', { server, credential: 'x' }],
    ['setCredential', { server: 'server-of-acme', group, credential: 'x' }],
    ['setFilter', { name: 'x', kind: 'size', config: { maxBytes: 9 }, action: 'block', server }],
    ['createPolicy', { name: 'x', policies: 'permit(principal, action, resource);', server }],
    ['putGrant', { group, server: 'server-of-acme' }],
    ['putGrant', { user, server: 'server-of-acme' }],
    ['putGrant', { serviceAccount, server: 'server-of-acme' }],
    ['putGrant', { group: 'group-of-acme', server }],
    ['putGrant', { group: 'group-of-acme', collection: theirs.collections }],
    ['addGroupMember', { user }, { group: 'group-of-acme' }],
    ['addGroupMember', { key }, { group: 'group-of-acme' }],
    ['addGroupMember', { serviceAccount }, { group: 'group-of-acme' }],
    ['addMember', { user }],
    ['createAccessRequest', { server, reason: 'x' }],
    ['createMyKey', { name: 'x', endpoints: [theirs.collections] }],
    ['showWhoCan', { endpoint: theirs.collections }],
    ['endSession', { id: nobodys }],
  ];
  const before = await contents();
  for (const [name, rest, more] of asked) {
    const route = routeOf(name);
    const path = { ...rightOf(route).path, ...more };
    const { status } = await ask(route, { path, rest }, route.scope === 'self' ? 'bob' : 'ada');
    // Of a collection its bindings are what is wrong with it; members are invited by address.
    const isBody = name === 'createCollection' || name === 'addMember';
    expect([name, rest, status]).toEqual([name, rest, isBody ? 400 : 404]);
  }
  const call = { endpoint: theirs.collections, method: 'tools/list', params: {} };
  const called = await ask(routeOf('callAsMyself'), { path: { organization: 'acme' }, rest: call }, 'bob');
  expect(called.text).toContain('"code":"unknown_endpoint"');
  const matrix = await ask(routeOf('showPolicyMatrix'), { path: { organization: 'acme' }, rest: { server } }, 'ada');
  expect(matrix.text).not.toContain('-of-other');
  // What is asked of many is of nobody.
  for (const [name, rest] of [
    ['revokeTokens', { user }],
    ['revokeTokens', { client }],
    ['endSession', { user }],
  ] as const) {
    const { body } = await ask(routeOf(name), { path: { organization: 'acme' }, rest }, 'ada');
    expect([name, Object.values(body)]).toEqual([name, [0]]);
  }
  for (const name of ['listAccessRequests', 'listTokens', 'listSessions'] as const) {
    const { body } = await ask(routeOf(name), { path: { organization: 'acme' }, rest: { user } }, 'ada');
    expect([name, body.items]).toEqual([name, []]);
  }
  expect(await contents()).toEqual(before);
});

test('an administrator reads all that is of their own organization, and no secret in it [H6]', async () => {
  for (const [name, route] of each) {
    if (route.method !== 'GET' || route.permission === 'admin:audit-content:read') continue;
    const as = { platform: 'root', organization: 'ada', self: 'bob' }[route.scope];
    const answer = await ask(route, rightOf(route), as);
    expect([name, answer.text]).not.toEqual([name, expect.stringMatching(/canary|whsec_/)]);
    if (answer.status === 200) expect([name, route.output.safeParse(answer.body).error]).toEqual([name, undefined]);
    else expect([name, ...brief(answer)]).toEqual([name, 404, 'not_found']);
  }
}, 60_000);

test('a name that an address has to spell is understood, and nothing else is spelled [E20]', async () => {
  const { ask: send, token } = who('ada');
  const at = '/admin/api/v1/organizations/acme';
  const email = "o'neil+new@acme.example";
  await tell(who('ada'), 'POST /organizations/acme/members', { email });
  const remove = (path: string) => send('DELETE', path, { headers: { 'x-csrf-token': token } });
  for (const bad of ['%2F', '%2f', '%5C', '%2E%2E', '%00', '%0A', '%25', '%6F'])
    expect([bad, (await remove(`${at}/invitations/x${bad}y`)).status]).toEqual([bad, 400]);
  expect((await remove(`${at}/%69nvitations/x`)).status).toBe(400);
  expect((await send('GET', '/me/%40')).status).toBe(400);
  expect((await remove(`${at}/invitations/${encodeURIComponent(email)}`)).status).toBe(200);
});

/** They end what the others ask with, or reach beyond this machine. */
const notAsked: ReadonlySet<RouteName> = new Set([
  ...(['shredOrganization', 'rotateSecrets', 'removeOrganization', 'deactivateAccount', 'setAccountPassword'] as const),
  ...(['pullImage', 'importServers', 'probeServer', 'probeOrganizationServer'] as const),
]);
const fuzzMs = 6000;

test('whatever is asked of a whole gateway, the answer is what the contract says or a problem with a known code', async () => {
  const begun = performance.now();
  const seen = new Map<number, number>();
  // The first round is whole, however slow the machine is.
  for (let round = 0; round < 8 && (round === 0 || performance.now() - begun < fuzzMs); round += 1)
    for (const [name, route] of each) {
      if (notAsked.has(name)) continue;
      const { path } = rightOf(route);
      const schema = schemaOf(partsOf(route).rest, 'input');
      const [rest = {}] = fc.sample(objectOf(schema, 0), { numRuns: 1, seed: 70 + round });
      const ids = round % 2 === 0 ? {} : ofAcme(route);
      const as = { platform: 'root', organization: 'root', self: 'bob' }[route.scope];
      const answer = await ask(route, { path: { ...path, ...ids }, rest }, as);
      const where = `${name} ${JSON.stringify({ ids, rest })} → ${answer.status} ${answer.text.slice(0, 300)}`;
      seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
      expect(answer.status, where).toBeLessThan(500);
      if (answer.status < 300) expect(route.output.safeParse(answer.body).error, where).toBeUndefined();
      else expect(Object.keys(errorTable), where).toContain(answer.body.code);
    }
  for (const status of [200, 201, 400, 404]) expect([...seen.keys()]).toContain(status);
}, 60_000);

/** What acme has by the same names: it is changed and removed as the rounds go. */
const ofAcme = (route: AdminRoute): Fields =>
  Object.fromEntries(Object.entries(theirsIn(route)).map(([name, id]) => [name, String(id).replace('other', 'acme')]));
