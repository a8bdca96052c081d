/** The API against its own contract: inputs that are made from it, right ones and wrong ones. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { errorTable } from '#core/error.ts';
import { type AdminApi, openAdminApi } from '#kit/admin-api.ts';
import { nasty, objectOf } from '#kit/contract-inputs.ts';
import { type AdminRoute, contract, hasBody, type RouteName, routeNames } from './contract.ts';
import { openApi, partsOf, schemaOf } from './openapi.ts';
import { exampleOf } from './openapi-examples.ts';

let api: AdminApi;
let administrator: string;

beforeAll(async () => {
  api = await openAdminApi();
  for (const slug of ['acme', 'other']) {
    await api.send('POST /organizations', { body: { slug, name: slug } });
    await fill(slug);
  }
  const { json } = await api.send('POST /organizations/acme/keys', {
    body: { name: 'administrator', roles: ['admin:*'] },
  });
  administrator = json.key;
}, 120_000);

afterAll(() => api.close());

/** One of each thing. */
async function fill(slug: string): Promise<void> {
  const base = `/organizations/${slug}`;
  const post = (path: string, body: object) => api.send(`POST ${base}${path}`, { body });
  await post('/servers', { key: 'github', transport: { kind: 'http', url: 'https://mcp.example/mcp' } });
  await post('/groups', { name: 'engineering' });
  await post('/groups/engineering/members', { email: 'ada@acme.example' });
  await post('/members', { email: 'ada@acme.example' });
  await post('/collections', { name: 'research', allowedRoles: '*', bindings: [{ server: 'github' }] });
  await post('/limits', { counts: 'organization', points: 10 });
  await post('/keys', { name: 'machine' });
  await post('/service-accounts', { name: 'robot' });
  await post('/policies', { name: 'research', policies: 'permit(principal, action, resource);' });
  await api.send(`PUT ${base}/grants`, { body: { group: 'engineering', server: 'github' } });
}

/** Of this machine or of others, or they leave nothing to ask. */
const leftOut: ReadonlySet<string> = new Set(['shredOrganization', 'rotateSecrets', 'removeOrganization']);
const fuzzed = routeNames.filter((name) => !leftOut.has(name));

interface Made {
  readonly path: Readonly<Record<string, unknown>>;
  readonly rest: Readonly<Record<string, unknown>>;
}

function ask(route: AdminRoute, { path, rest }: Made, bearer?: string) {
  const line = route.path.replace(/:(\w+)/g, (_, name: string) =>
    encodeURIComponent(String(path[name] ?? 'acme').toWellFormed()),
  );
  if (hasBody(route.method)) return api.send(`${route.method} ${line}`, { body: rest, bearer });
  const query = new URLSearchParams(
    Object.entries(rest).map(([name, value]): [string, string] => [name, String(value)]),
  );
  return api.send(`${route.method} ${line}?${query}`, { bearer });
}

const deadlineMs = 6000;

async function checkAnswer(name: RouteName, made: Made, bearer?: string): Promise<number> {
  const route: AdminRoute = contract[name];
  const { status, json, type } = await ask(route, made, bearer);
  const where = `${name} ${JSON.stringify(made)} → ${status} ${JSON.stringify(json).slice(0, 300)}`;
  expect(status, where).toBeLessThan(500);
  if (status < 300) {
    expect(status, where).toBe(route.status);
    expect(route.output.safeParse(json).error, where).toBeUndefined();
  } else {
    expect(type, where).toContain('application/problem+json');
    expect(Object.keys(errorTable), where).toContain(json.code);
    expect(json.status, where).toBe(status);
  }
  return status;
}

const pathOf = (route: AdminRoute, inPath: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(
    inPath.map((each) => [each, exampleOf(schemaOf(route.input.shape[each] as never, 'input'), each)]),
  );

test('whatever is asked, an answer is what the contract says or a problem with a known code, never a failure', async () => {
  const begun = performance.now();
  const seen = new Set<number>();
  // The first round is whole, however slow the machine is.
  for (let round = 0; round < 6 && (round === 0 || performance.now() - begun < deadlineMs); round += 1) {
    for (const name of fuzzed) {
      const route: AdminRoute = contract[name];
      const { inPath, rest } = partsOf(route);
      const [sample = {}] = fc.sample(objectOf(schemaOf(rest, 'input'), 0), { numRuns: 1, seed: 7 + round });
      seen.add(await checkAnswer(name, { path: pathOf(route, inPath), rest: sample }));
    }
  }
  for (const status of [200, 201, 400, 404]) expect([...seen]).toContain(status);
}, 60_000);

/** The database reads what these are given; all others page in memory, by the same rule. */
const readsRows: ReadonlySet<RouteName> = new Set([
  ...(['listMembers', 'listPeople', 'listGroups', 'listGroupMembers', 'listKeys', 'listAudit', 'getUsage'] as const),
]);

test('no text in any parameter of a query or path is more than text [H11]', async () => {
  const before = await api.send('GET /organizations');
  for (const [at, name] of fuzzed.entries()) {
    const route: AdminRoute = contract[name];
    if (route.method !== 'GET') continue;
    const { inPath, rest } = partsOf(route);
    const path = pathOf(route, inPath);
    const texts = readsRows.has(name) ? nasty : [0, 1, 2].map((step) => nasty[(at * 3 + step) % nasty.length]);
    const last = inPath.at(-1);
    for (const text of texts) {
      for (const field of Object.keys(rest.shape)) await checkAnswer(name, { path, rest: { [field]: text } });
      if (last !== undefined) await checkAnswer(name, { path: { ...path, [last]: text }, rest: {} });
    }
  }
  expect((await api.send('GET /organizations')).json).toEqual(before.json);
}, 60_000);

test('a field that a route does not know is refused everywhere [C17]', async () => {
  for (const name of fuzzed) {
    const route: AdminRoute = contract[name];
    const { inPath, rest } = partsOf(route);
    const path = pathOf(route, inPath);
    const right = exampleOf(schemaOf(rest, 'input')) as Record<string, unknown>;
    for (const field of ['tenant_id', 'org_id', 'isAdmin', 'createdAt']) {
      const { status, json } = await ask(route, { path, rest: { ...right, [field]: 'x' } });
      // Of routes about oneself only people learn more than that: the key that asks here is nobody.
      const refusal = route.scope === 'self' ? [403, 'forbidden'] : [400, 'bad_request'];
      expect([name, status, json.code]).toEqual([name, ...refusal]);
      expect(route.input.safeParse({ ...path, ...right, [field]: 'x' }).success).toBe(false);
    }
  }
}, 60_000);

test("an organization's administrator reaches nothing of another organization by any route [C1]", async () => {
  const ids = await idsOf('other');
  const before = await contents();
  for (const name of routeNames) {
    const route: AdminRoute = contract[name];
    const { inPath, rest } = partsOf(route);
    const right = exampleOf(schemaOf(rest, 'input')) as Record<string, unknown>;
    if (route.scope === 'platform') {
      const path = pathOf(route, inPath);
      expect([name, (await ask(route, { path, rest: right }, administrator)).status]).toEqual([name, 403]);
      continue;
    }
    for (const [organization, of] of [
      ['other', ids],
      ['acme', ids],
    ] as const) {
      const path = Object.fromEntries(
        inPath.map((each) => [each, of[each] ?? exampleOf(schemaOf(route.input.shape[each] as never, 'input'), each)]),
      );
      // Their ids under one's own name are unknown; names that both have are one's own.
      if (organization === 'acme' && !inPath.some((each) => each === 'id' || each === 'user')) continue;
      const { status } = await ask(route, { path: { ...path, organization }, rest: right }, administrator);
      expect([name, organization, [400, 403, 404].includes(status)], `${status}`).toEqual([name, organization, true]);
      if (organization === 'other') expect([name, status]).toEqual([name, 403]);
    }
  }
  expect(await contents()).toEqual(before);
}, 60_000);

/** Ids that the other organization's things have. */
async function idsOf(slug: string): Promise<Readonly<Record<string, string>>> {
  const { json } = await api.send(`GET /organizations/${slug}/limits`);
  const keys = await api.send(`GET /organizations/${slug}/keys`);
  return { id: json.items[0].id, key: keys.json.items[0].id };
}

async function contents(): Promise<unknown> {
  const lists = [
    'servers',
    'groups',
    'members',
    'collections',
    'limits',
    'keys',
    'service-accounts',
    'policies',
    'grants',
    'clients',
  ];
  return Promise.all(lists.map(async (list) => (await api.send(`GET /organizations/other/${list}`)).json));
}

test('the document names every route, its parameters, its refusals and who may, and every reference in it leads somewhere', async () => {
  const { json } = await api.send('GET /admin/api/openapi.json');
  expect(json).toEqual(JSON.parse(JSON.stringify(openApi('1'))));
  expect(json.openapi).toBe('3.1.0');
  const ids = new Set<string>();
  for (const [path, item] of Object.entries<Record<string, OperationLike>>(json.paths)) {
    for (const operation of Object.values(item)) {
      ids.add(operation.operationId);
      const named = operation.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
      expect(named).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
      expect(operation.parameters.every(({ schema }) => typeof schema === 'object')).toBe(true);
      expect(Object.keys(operation.responses)).toContain('default');
      expect(operation['x-permission']).toMatch(/^(?:admin|self):/);
    }
  }
  expect([...ids].sort()).toEqual([...routeNames].sort());
  expect(Object.keys(json.components.securitySchemes)).toEqual(['bearer', 'cookie']);
  for (const ref of JSON.stringify(json).matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g))
    expect(json.components[ref[1] ?? '']).toHaveProperty(ref[2] ?? '');
});

interface OperationLike {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: object }[];
  readonly responses: object;
  readonly 'x-permission': string;
}

test('the API is a page to read as well, with every route', async () => {
  const { status, type, json, headers } = await api.send('GET /admin/api');
  expect([status, type]).toEqual([200, 'text/html; charset=utf-8']);
  for (const name of routeNames) expect(json).toContain(`<code>${name}</code>`);
  expect(json).not.toContain('<script');
  expect(headers['content-security-policy']).toContain("default-src 'none'");
  expect((await api.send('GET /admin/api', { bearer: 'wrong' })).status).toBe(401);
});
