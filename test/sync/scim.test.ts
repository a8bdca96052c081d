/** The SCIM 2.0 server as directories use it: Entra's and Okta's ways included. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ScimClient, type ScimWorld, startScimWorld } from '#kit/scim-world.ts';

let world: ScimWorld;
let acme: ScimClient;
beforeAll(async () => {
  world = await startScimWorld();
  acme = world.acme;
}, 120_000);
afterAll(() => world?.close());

const userUrn = 'urn:ietf:params:scim:schemas:core:2.0:User';
const enterpriseUrn = 'urn:ietf:params:scim:schemas:extension:enterprise:2.0:User';
const patchUrn = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';
const patch = (...Operations: readonly object[]) => ({ schemas: [patchUrn], Operations });
const made = async (client: ScimClient, path: string, body: object): Promise<string> => {
  const answer = await client.request('POST', path, body);
  expect([answer.status, answer.body]).toEqual([201, expect.objectContaining({ id: expect.any(String) })]);
  return String(answer.body.id);
};
const addUser = (userName: string, more: object = {}, client = acme) =>
  made(client, '/Users', { schemas: [userUrn], userName, ...more });
const members = async (id: string) => {
  const { body } = await acme.request('GET', `/Groups/${id}`);
  return (body.members as { display: string }[]).map(({ display }) => display).sort();
};
const found = async (filter: string, kind = 'Users') => {
  const { status, body } = await acme.request('GET', `/${kind}?filter=${encodeURIComponent(filter)}`);
  return status === 200
    ? (body.Resources as { userName?: string; displayName?: string }[])
        .map((one) => one.userName ?? one.displayName)
        .sort()
    : body.scimType;
};

describe('users', () => {
  test('made, shown, replaced and deleted, as application/scim+json', async () => {
    const name = { givenName: 'Ada', familyName: 'Lovelace' };
    const emails = [{ value: 'ada@acme.example', type: 'work', primary: true }];
    const { status, type, body } = await acme.request('POST', '/Users', {
      ...{ schemas: [userUrn], userName: 'Ada@acme.example', externalId: 'e-1', name, emails, password: 'never kept' },
      [enterpriseUrn]: { department: 'Engines' },
    });
    expect([status, type]).toEqual([201, expect.stringContaining('application/scim+json')]);
    const id = String(body.id);
    expect(body).toEqual({
      ...{ schemas: [userUrn, enterpriseUrn], id, externalId: 'e-1', userName: 'Ada@acme.example', active: true },
      ...{ name, emails, groups: [], [enterpriseUrn]: { department: 'Engines' } },
      meta: expect.objectContaining({ resourceType: 'User', location: `${world.app.url}/scim/v2/Users/${id}` }),
    });
    const dump = await world.database.sql('select resource::text as r from gateway.scim_users');
    expect(JSON.stringify(dump)).not.toContain('never kept');
    const [row] = await world.database.sql(
      'select u.email, u.email_verified, u.name, m.active from gateway.scim_users s join gateway.users u on u.id = s.user_id join gateway.members m on m.user_id = u.id and m.org_id = s.org_id where s.id = $1',
      [id],
    );
    expect(row).toEqual({ email: 'ada@acme.example', email_verified: false, name: 'Ada Lovelace', active: true });
    const put = await acme.request('PUT', `/Users/${id}`, { userName: 'ada@acme.example', active: false });
    expect([put.status, put.body.active, put.body.name]).toEqual([200, false, undefined]);
    expect((await acme.request('DELETE', `/Users/${id}`)).status).toBe(204);
    const gone = await acme.request('GET', `/Users/${id}`);
    expect([gone.status, gone.body]).toEqual([
      404,
      { schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'], status: '404', detail: 'There is no such user' },
    ]);
  });

  test('a name is there once, whatever its case, and again after it was deleted', async () => {
    const id = await addUser('once@acme.example');
    const again = await acme.request('POST', '/Users', { userName: 'ONCE@acme.example' });
    expect([again.status, again.body.scimType]).toEqual([409, 'uniqueness']);
    await acme.request('DELETE', `/Users/${id}`);
    expect(await addUser('Once@acme.example')).not.toBe(id);
  });

  test('what is wrong is said with its type', async () => {
    const bad = async (method: string, path: string, body: unknown) => {
      const answer = await acme.request(method, path, body);
      return [answer.status, answer.body.scimType];
    };
    const id = await addUser('wrong@acme.example');
    expect(await bad('POST', '/Users', {})).toEqual([400, 'invalidValue']);
    expect(await bad('POST', '/Users', [])).toEqual([400, 'invalidSyntax']);
    expect(await bad('PATCH', `/Users/${id}`, patch({ op: 'replace', path: 'nothing', value: 1 }))).toEqual([
      400,
      'invalidPath',
    ]);
    expect(await bad('PATCH', `/Users/${id}`, patch({ op: 'remove' }))).toEqual([400, 'noTarget']);
    for (const path of [
      '__proto__.polluted',
      'name.__proto__.polluted',
      'constructor.prototype.polluted',
      'emails[type eq "__proto__"].value',
    ])
      expect(await bad('PATCH', `/Users/${id}`, patch({ op: 'add', path, value: 'x' }))).toEqual([400, 'invalidPath']);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(await found('userName zz "a"')).toBe('invalidFilter');
    expect((await acme.request('GET', '/Nowhere')).status).toBe(404);
  });

  test('Entra: operations with capitals, texts for booleans, values without a path, dotted and extension names', async () => {
    const id = await addUser('entra@acme.example', { externalId: 'entra-oid' });
    const change = async (...operations: readonly object[]) => {
      const answer = await acme.request('PATCH', `/Users/${id}`, patch(...operations));
      expect([answer.status, answer.body.detail]).toEqual([200, undefined]);
      return answer.body;
    };
    expect(await change({ op: 'Replace', path: 'active', value: 'False' })).toMatchObject({ active: false });
    expect(await change({ op: 'replace', value: { active: 'True', 'name.givenName': 'Eve' } })).toMatchObject({
      active: true,
      name: { givenName: 'Eve' },
    });
    expect(
      await change(
        { op: 'Add', path: 'emails[type eq "work"].value', value: 'eve@acme.example' },
        { op: 'Add', path: `${enterpriseUrn}:department`, value: 'Sales' },
        { op: 'Replace', path: `${userUrn}:displayName`, value: 'Eve' },
      ),
    ).toMatchObject({
      emails: [{ type: 'work', value: 'eve@acme.example' }],
      [enterpriseUrn]: { department: 'Sales' },
      displayName: 'Eve',
    });
    expect(await change({ op: 'Remove', path: 'displayName' })).not.toHaveProperty('displayName');
    expect(await change({ op: 'Replace', path: 'userName', value: 'eve@acme.example' })).toMatchObject({
      userName: 'eve@acme.example',
      externalId: 'entra-oid',
    });
  });

  test('roles are those of the member, and no key gives away rights that it has not', async () => {
    const id = await addUser('roles@acme.example', { roles: [{ value: 'staff' }] });
    const rolesOf = async () =>
      (
        await world.database.sql(
          'select m.roles from gateway.members m join gateway.scim_users s on s.user_id = m.user_id where s.id = $1',
          [id],
        )
      )[0]?.roles;
    expect(await rolesOf()).toEqual(['staff']);
    await acme.request('PATCH', `/Users/${id}`, patch({ op: 'Add', path: 'roles', value: 'lead' }));
    expect(await rolesOf()).toEqual(['staff', 'lead']);
    const tooMuch = await acme.request(
      'PATCH',
      `/Users/${id}`,
      patch({ op: 'replace', path: 'roles', value: [{ value: 'admin:keys:write' }] }),
    );
    expect(tooMuch.status).toBe(403);
    expect(await rolesOf()).toEqual(['staff', 'lead']);
  });
});

describe('lists', () => {
  beforeAll(async () => {
    for (const n of [1, 2, 3]) {
      const emails = [
        { value: `l${n}@work.example`, type: 'work' },
        { value: `l${n}@home.example`, type: 'home' },
      ];
      await addUser(`list${n}@acme.example`, {
        externalId: `L-${n}`,
        emails,
        active: n !== 3,
        title: n === 1 ? 'Chief' : undefined,
      });
    }
  });
  const listed = 'userName sw "list" and ';

  test.each([
    ['userName eq "LIST2@acme.example"', ['list2@acme.example']],
    ['externalId eq "L-1"', ['list1@acme.example']],
    ['externalId eq "l-1"', []],
    ['emails[type eq "work"].value eq "l2@work.example"', ['list2@acme.example']],
    ['emails[type eq "work"].value eq "l2@home.example"', []],
    ['emails.value co "l3@"', ['list3@acme.example']],
    [`${listed}not (active eq true)`, ['list3@acme.example']],
    [`${listed}title pr`, ['list1@acme.example']],
    [`${listed}(externalId eq "L-1" or externalId eq "L-3")`, ['list1@acme.example', 'list3@acme.example']],
    [`${listed}externalId ne "L-1" and meta.created gt "2020-01-01"`, ['list2@acme.example', 'list3@acme.example']],
    [`${userUrn}:userName ew "1@acme.example" and ${listed}active eq true`, ['list1@acme.example']],
  ])('%s', async (filter, names) => {
    expect(await found(filter)).toEqual(names);
  });

  test('in pages, counted, and with the attributes that are asked for', async () => {
    const filter = encodeURIComponent('userName sw "list"');
    const { body } = await acme.request(
      'GET',
      `/Users?filter=${filter}&startIndex=2&count=1&attributes=userName,emails.value`,
    );
    expect(body).toMatchObject({ totalResults: 3, startIndex: 2, itemsPerPage: 1 });
    expect(body.Resources).toEqual([
      expect.objectContaining({
        userName: 'list2@acme.example',
        emails: [{ value: 'l2@work.example' }, { value: 'l2@home.example' }],
      }),
    ]);
    expect(Object.keys((body.Resources as object[])[0] ?? {}).sort()).toEqual(['emails', 'id', 'schemas', 'userName']);
    const none = await acme.request('GET', '/Users?count=0');
    expect([none.body.itemsPerPage, Number(none.body.totalResults) > 3]).toEqual([0, true]);
    const many = await acme.request('GET', '/Users?count=100000&excludedAttributes=emails,groups');
    expect(many.status).toBe(200);
    expect(JSON.stringify(many.body)).not.toContain('work.example');
    const search = await acme.request('POST', '/Users/.search', {
      filter: 'externalId eq "L-2"',
      attributes: ['userName'],
    });
    expect(search.body).toMatchObject({ totalResults: 1, Resources: [{ userName: 'list2@acme.example' }] });
  });
});

describe('groups', () => {
  test('members come and go in all the ways that directories use', async () => {
    const [a, b, c] = [await addUser('ga'), await addUser('gb'), await addUser('gc')];
    const id = await made(acme, '/Groups', {
      displayName: 'Platform Team (EU)',
      externalId: 'g-guid',
      members: [{ value: a }],
    });
    const change = async (...operations: readonly object[]) => {
      const answer = await acme.request('PATCH', `/Groups/${id}`, patch(...operations));
      expect([answer.status, answer.body.detail]).toEqual([200, undefined]);
      return members(id);
    };
    expect(await members(id)).toEqual(['ga']);
    expect(await change({ op: 'Add', path: 'members', value: [{ value: b }, { value: c }, { value: a }] })).toEqual([
      'ga',
      'gb',
      'gc',
    ]);
    expect(await change({ op: 'Remove', path: `members[value eq "${b}"]` })).toEqual(['ga', 'gc']);
    expect(await change({ op: 'remove', path: 'members', value: [{ value: c }] })).toEqual(['ga']);
    expect(await change({ op: 'replace', value: { members: [{ value: c }], displayName: 'Platform' } })).toEqual([
      'gc',
    ]);
    expect(await change({ op: 'replace', path: 'members', value: [] })).toEqual([]);
    const user = await acme.request('GET', `/Users/${c}`);
    expect(user.body.groups).toEqual([]);
    const put = await acme.request('PUT', `/Groups/${id}`, {
      displayName: 'Platform',
      externalId: 'g-guid',
      members: [{ value: a }],
    });
    expect([put.status, await members(id)]).toEqual([200, ['ga']]);
    expect((await acme.request('GET', `/Users/${a}`)).body.groups).toMatchObject([{ value: id, display: 'Platform' }]);
    const row = await world.database.sql('select name, title, external_id from gateway.groups where id = $1', [id]);
    expect(row).toEqual([{ name: 'Platform-Team-EU', title: 'Platform', external_id: 'g-guid' }]);
    const stranger = await acme.request(
      'PATCH',
      `/Groups/${id}`,
      patch({ op: 'add', path: 'members', value: [{ value: crypto.randomUUID() }] }),
    );
    expect([stranger.status, stranger.body.scimType]).toEqual([400, 'invalidValue']);
    expect(await found('displayName eq "platform"', 'Groups')).toEqual(['Platform']);
    expect(await found(`members[value eq "${a}"]`, 'Groups')).toEqual(['Platform']);
    expect((await acme.request('DELETE', `/Groups/${id}`)).status).toBe(204);
    expect((await acme.request('GET', `/Groups/${id}`)).status).toBe(404);
  });

  test('one that is called as a builtin group is another group; only what an administrator tied to its id is it [H9] [X2.2]', async () => {
    const user = await addUser('spoof');
    const isAdmin = async () =>
      (
        await world.database.sql(
          `select from gateway.group_members gm join gateway.groups g on g.id = gm.group_id where g.builtin`,
        )
      ).length;
    for (const displayName of ['MCP-Admin', 'mcp-admin', 'MCP Admin'])
      await made(acme, '/Groups', { displayName, members: [{ value: user }] });
    expect(await isAdmin()).toBe(0);
    await world.database.sql(
      `update gateway.groups set external_id = 'admins-guid' where builtin and org_id = (select id from gateway.organizations where slug = 'acme')`,
    );
    const tied = await made(acme, '/Groups', {
      displayName: 'IT Administrators',
      externalId: 'admins-guid',
      members: [{ value: user }],
    });
    expect(await isAdmin()).toBe(1);
    expect((await acme.request('DELETE', `/Groups/${tied}`)).status).toBe(204);
    expect(await isAdmin()).toBe(0);
    expect(await world.database.sql('select name from gateway.groups where id = $1', [tied])).toEqual([
      { name: 'MCP-Admin' },
    ]);
  });
});

describe('whose they are', () => {
  test('a key sees and changes its own organization only, and only with the right to', async () => {
    const id = await addUser('mine@acme.example');
    for (const [method, body] of [
      ['GET'],
      ['PUT', { userName: 'x' }],
      ['DELETE'],
      ['PATCH', patch({ op: 'replace', value: { active: false } })],
    ] as const)
      expect([method, (await world.other.request(method, `/Users/${id}`, body)).status]).toEqual([method, 404]);
    expect((await world.other.request('GET', '/Users')).body.totalResults).toBe(0);
    const group = await made(world.other, '/Groups', { displayName: 'Theirs' });
    const stolen = await world.other.request(
      'PATCH',
      `/Groups/${group}`,
      patch({ op: 'add', path: 'members', value: [{ value: id }] }),
    );
    expect(stolen.status).toBe(400);
    const plain = world.client(await world.key('acme', 'plain'));
    expect((await plain.request('GET', '/Users')).status).toBe(403);
    const reader = world.client(await world.key('acme', 'reader', 'admin:scim:read'));
    expect([
      (await reader.request('GET', '/Users')).status,
      (await reader.request('POST', '/Users', { userName: 'no' })).status,
    ]).toEqual([200, 403]);
    expect((await world.client('gw_live_nonsense').request('GET', '/Users')).status).toBe(401);
  });

  test('the same person in two organizations: gone from one they stay in the other', async () => {
    const here = await addUser('both@acme.example');
    await addUser('both@acme.example', {}, world.other);
    await acme.request('DELETE', `/Users/${here}`);
    const rows = await world.database.sql(
      `select o.slug, m.active from gateway.members m join gateway.organizations o on o.id = m.org_id join gateway.scim_users s on s.user_id = m.user_id and s.org_id = o.id where s.user_name_key = 'both@acme.example' order by o.slug`,
    );
    expect(rows).toEqual([
      { slug: 'acme', active: false },
      { slug: 'other', active: true },
    ]);
  });

  test('what it is and can do is described', async () => {
    const { body } = await acme.request('GET', '/ServiceProviderConfig');
    expect(body).toMatchObject({
      patch: { supported: true },
      bulk: { supported: true, maxOperations: 1000 },
      filter: { supported: true },
    });
    expect((await acme.request('GET', '/ResourceTypes')).body.totalResults).toBe(2);
    expect((await acme.request('GET', '/Schemas')).body.totalResults).toBe(3);
    expect((await acme.request('GET', `/Schemas/${userUrn}`)).body).toMatchObject({ id: userUrn });
  });
});

describe('bulk', () => {
  const bulk = (Operations: readonly object[], more: object = {}) =>
    acme.request('POST', '/Bulk', {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:BulkRequest'],
      Operations,
      ...more,
    });
  const post = (bulkId: string, path: string, data: object) => ({ method: 'POST', path, bulkId, data });
  const statuses = ({ body }: { body: Record<string, unknown> }) =>
    (body.Operations as { status: string }[]).map(({ status }) => status);

  test('a group may name people that the same request makes, before or after it', async () => {
    const answer = await bulk([
      post('g', '/Groups', { displayName: 'Bulk', members: [{ value: 'bulkId:u1' }, { value: 'bulkId:u2' }] }),
      post('u1', '/Users', { userName: 'bulk1' }),
      post('u2', '/Users', { userName: 'bulk2' }),
      post('u3', '/Users', { userName: 'BULK1' }),
      post('lost', '/Groups', { displayName: 'Lost', members: [{ value: 'bulkId:nobody' }] }),
    ]);
    expect([answer.status, statuses(answer)]).toEqual([200, ['201', '201', '409', '201', '409']]);
    const group = (answer.body.Operations as { bulkId: string; location: string }[]).find(
      ({ bulkId }) => bulkId === 'g',
    );
    expect(await members(String(group?.location.split('/').at(-1)))).toEqual(['bulk1', 'bulk2']);
  });

  test('one that fails undoes nothing of the others, and after failOnErrors it ends', async () => {
    const id = await addUser('bulk-target');
    const operations = [
      { method: 'PATCH', path: `/Users/${id}`, data: patch({ op: 'replace', path: 'title', value: 'Kept' }) },
      { method: 'DELETE', path: `/Users/${crypto.randomUUID()}` },
      { method: 'DELETE', path: `/Users/${crypto.randomUUID()}` },
      { method: 'DELETE', path: `/Users/${id}` },
    ];
    expect(statuses(await bulk(operations, { failOnErrors: 1 }))).toEqual(['200', '404']);
    expect((await acme.request('GET', `/Users/${id}`)).body.title).toBe('Kept');
    expect(statuses(await bulk(operations))).toEqual(['200', '404', '404', '204']);
  });

  test('no more than it says', async () => {
    const many = Array.from({ length: 1001 }, (_, n) => post(`u${n}`, '/Users', { userName: `too-many-${n}` }));
    expect((await bulk(many)).status).toBe(413);
  });
});
