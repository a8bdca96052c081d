/** Webhooks of WorkOS and Clerk: signed, worked off before they are acknowledged, once each, in whatever order they come. */
import { createHmac, randomUUID } from 'node:crypto';
import { verifyWebhook } from '@clerk/backend/webhooks';
import { WorkOS } from '@workos-inc/node';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ScimWorld, startScimWorld } from '#kit/scim-world.ts';

const workosSecret = 'the signing secret of the endpoint at WorkOS';
const clerkSecret = `whsec_${Buffer.from('the signing secret of the one at Clerk').toString('base64')}`;

let world: ScimWorld;
beforeAll(async () => {
  world = await startScimWorld({
    env: {
      WORKOS_API_KEY: 'sk_test_nobody',
      WORKOS_CLIENT_ID: 'client_1',
      WORKOS_AUTHORIZATION_SERVER_URL: 'https://acme.authkit.app',
      WORKOS_WEBHOOK_SECRET: workosSecret,
      CLERK_SECRET_KEY: 'sk_test_nobody',
      CLERK_PUBLISHABLE_KEY: `pk_test_${Buffer.from('clerk.acme.example$').toString('base64')}`,
      CLERK_WEBHOOK_SECRET: clerkSecret,
    },
  });
}, 120_000);
afterAll(() => world?.close());

const sql = (text: string, ...values: unknown[]) => world.database.sql(text, values);

interface Signed {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

function clerkEvent(
  type: string,
  data: object,
  { id = `msg_${randomUUID()}`, at = Date.now(), secret = clerkSecret, time = new Date() } = {},
): Signed {
  const body = JSON.stringify({ data, object: 'event', type, timestamp: at, instance_id: 'ins_1' });
  const headers = {
    'content-type': 'application/json',
    'svix-id': id,
    'svix-timestamp': String(Math.floor(time.getTime() / 1000)),
    'svix-signature': new Webhook(secret).sign(id, time, body),
  };
  return { path: '/api/webhooks/clerk', headers, body };
}

function workosEvent(
  event: string,
  data: object,
  { id = `event_${randomUUID()}`, at = new Date(), secret = workosSecret, time = Date.now() } = {},
): Signed {
  const body = JSON.stringify({ id, event, data, created_at: at.toISOString(), context: {} });
  const v1 = createHmac('sha256', secret).update(`${time}.${body}`).digest('hex');
  return {
    path: '/api/webhooks/workos',
    headers: { 'content-type': 'application/json', 'workos-signature': `t=${time}, v1=${v1}` },
    body,
  };
}

async function deliver({ path, headers, body }: Signed): Promise<[number, unknown]> {
  const answer = await fetch(world.app.url + path, { method: 'POST', headers, body });
  const said = (await answer.json()) as { outcome?: string };
  return [answer.status, said.outcome];
}

const done = [200, 'done'];
const clerkUser = (id: string, more: object = {}) => ({
  ...{
    id,
    object: 'user',
    first_name: 'Ada',
    last_name: 'Lovelace',
    username: null,
    primary_email_address_id: 'idn_1',
    updated_at: Date.now(),
  },
  email_addresses: [{ id: 'idn_1', email_address: `${id}@acme.example`, verification: { status: 'verified' } }],
  ...more,
});
const clerkMembership = (user: string, organization: string, role: string, updated_at = Date.now()) => ({
  ...{ id: `orgmem_${user}`, object: 'organization_membership', role, updated_at },
  organization: { id: organization, name: 'Acme', slug: 'acme' },
  public_user_data: { user_id: user, identifier: 'a@b.example' },
});
const membersOf = async (subject: string) =>
  sql(
    'select o.external_id as org, m.roles, m.active from gateway.members m join gateway.identities i on i.user_id = m.user_id join gateway.organizations o on o.id = m.org_id where i.subject = $1',
    subject,
  );

describe('signatures', () => {
  test("what the vendors' own libraries accept is accepted, and nothing else [S4.12]", async () => {
    const clerk = clerkEvent('user.created', clerkUser('user_signed'));
    const request = new Request(`https://gw.example${clerk.path}`, {
      method: 'POST',
      headers: clerk.headers,
      body: clerk.body,
    });
    expect((await verifyWebhook(request, { signingSecret: clerkSecret })).type).toBe('user.created');
    expect(await deliver(clerk)).toEqual(done);
    const workos = workosEvent('user.created', { id: 'user_w1', email: 'w1@acme.example', email_verified: true });
    const { webhooks } = new WorkOS('sk_test', { clientId: 'client_1' });
    const sigHeader = workos.headers['workos-signature'] ?? '';
    expect(
      await webhooks.constructEvent({ payload: JSON.parse(workos.body), sigHeader, secret: workosSecret }),
    ).toMatchObject({ event: 'user.created' });
    expect(await deliver(workos)).toEqual(done);
    const old = Date.now() - 6 * 60_000;
    const refused: Record<string, Signed> = {
      'Clerk, another secret': clerkEvent('user.created', clerkUser('user_x'), {
        secret: `whsec_${Buffer.from('another one').toString('base64')}`,
      }),
      'Clerk, old': clerkEvent('user.created', clerkUser('user_x'), { time: new Date(old) }),
      'Clerk, changed': { ...clerk, body: clerk.body.replace('user_signed', 'user_victim') },
      'Clerk, unsigned': { ...clerk, headers: { 'content-type': 'application/json' } },
      'WorkOS, another secret': workosEvent('user.created', { id: 'user_x' }, { secret: 'another' }),
      'WorkOS, old': workosEvent('user.created', { id: 'user_x' }, { time: old }),
      'WorkOS, from the future': workosEvent('user.created', { id: 'user_x' }, { time: Date.now() + 6 * 60_000 }),
      'WorkOS, changed': { ...workos, body: `${workos.body} ` },
      'WorkOS, unsigned': { ...workos, headers: { 'content-type': 'application/json' } },
      'of the other': { ...workos, path: '/api/webhooks/clerk' },
    };
    for (const [what, event] of Object.entries(refused))
      expect([what, ...(await deliver(event))]).toEqual([what, 400, undefined]);
    expect(await sql(`select from gateway.identities where subject in ('user_x', 'user_victim')`)).toEqual([]);
  });
});

describe('what they say is kept', () => {
  test('users, organizations and memberships come, change and go [S4.12]', async () => {
    expect(
      await deliver(
        clerkEvent('organization.created', { id: 'org_new', name: 'New Ltd', slug: 'new-ltd', updated_at: Date.now() }),
      ),
    ).toEqual(done);
    expect(await sql(`select slug, name from gateway.organizations where external_id = 'org_new'`)).toEqual([
      { slug: 'new-ltd', name: 'New Ltd' },
    ]);
    expect(await deliver(clerkEvent('user.created', clerkUser('user_c')))).toEqual(done);
    expect(
      await sql(
        `select u.email, u.email_verified, u.name, u.last_sign_in_at from gateway.users u join gateway.identities i on i.user_id = u.id where i.subject = 'user_c'`,
      ),
    ).toEqual([{ email: 'user_c@acme.example', email_verified: true, name: 'Ada Lovelace', last_sign_in_at: null }]);
    expect(
      await deliver(clerkEvent('organizationMembership.created', clerkMembership('user_c', 'org_new', 'org:admin'))),
    ).toEqual(done);
    expect(await membersOf('user_c')).toEqual([{ org: 'org_new', roles: ['org:admin'], active: true }]);
    expect(
      await deliver(clerkEvent('organizationMembership.updated', clerkMembership('user_c', 'org_new', 'org:member'))),
    ).toEqual(done);
    expect(await membersOf('user_c')).toEqual([{ org: 'org_new', roles: ['org:member'], active: true }]);
    expect(
      await deliver(clerkEvent('organizationMembership.deleted', clerkMembership('user_c', 'org_new', 'org:member'))),
    ).toEqual(done);
    expect(await membersOf('user_c')).toEqual([]);
    expect(await deliver(clerkEvent('user.deleted', { id: 'user_c', deleted: true }))).toEqual(done);
    expect(
      await sql(
        `select u.deactivated_by from gateway.users u join gateway.identities i on i.user_id = u.id where i.subject = 'user_c'`,
      ),
    ).toEqual([{ deactivated_by: 'clerk' }]);
    expect(
      await deliver(clerkEvent('organization.updated', { id: 'org_new', name: 'Newer', updated_at: Date.now() })),
    ).toEqual(done);
    expect(await deliver(clerkEvent('organization.deleted', { id: 'org_new', deleted: true }))).toEqual(done);
    expect(
      await sql(`select name, deleted_at is not null as gone from gateway.organizations where external_id = 'org_new'`),
    ).toEqual([{ name: 'Newer', gone: true }]);
  });

  test('a membership of WorkOS that is not active lets nobody in; one that is again does', async () => {
    const membership = (status: string, role: string) => ({
      id: 'om_1',
      user_id: 'user_w2',
      organization_id: 'org_acme',
      status,
      role: { slug: role },
      updated_at: new Date().toISOString(),
    });
    for (const [status, role] of [
      ['active', 'member'],
      ['inactive', 'member'],
      ['active', 'staff'],
    ] as const) {
      expect(await deliver(workosEvent('organization_membership.updated', membership(status, role)))).toEqual(done);
      expect(await membersOf('user_w2')).toEqual([{ org: 'org_acme', roles: [role], active: status === 'active' }]);
    }
  });

  test('who was banned there comes back when they are no more; whom an administrator shut out does not', async () => {
    const isActive = async () =>
      (
        await sql(
          `select deactivated_at is null as active from gateway.users u join gateway.identities i on i.user_id = u.id where i.subject = 'user_b'`,
        )
      )[0]?.active;
    await deliver(clerkEvent('user.updated', clerkUser('user_b', { banned: true })));
    expect(await isActive()).toBe(false);
    await deliver(clerkEvent('user.updated', clerkUser('user_b')));
    expect(await isActive()).toBe(true);
    await sql(
      `update gateway.users set deactivated_at = now() where id = (select user_id from gateway.identities where subject = 'user_b')`,
    );
    await deliver(clerkEvent('user.updated', clerkUser('user_b')));
    expect(await isActive()).toBe(false);
  });

  test('people and groups of a directory at WorkOS are those of SCIM, members told of before them too', async () => {
    const group = { id: 'directory_group_1', organization_id: 'org_acme', name: 'Engineers' };
    const user = {
      id: 'directory_user_1',
      organization_id: 'org_acme',
      emails: [{ primary: true, value: 'dir@acme.example' }],
      first_name: 'D',
      last_name: 'R',
      username: 'dir',
      state: 'active',
    };
    expect(await deliver(workosEvent('dsync.group.user_added', { directory_id: 'd', user, group }))).toEqual(done);
    expect(await deliver(workosEvent('dsync.group.created', group))).toEqual(done);
    const groups = (await world.acme.request('GET', '/Groups')).body.Resources;
    expect(groups).toMatchObject([{ displayName: 'Engineers', members: [{ display: 'dir' }] }]);
    expect(await deliver(workosEvent('dsync.user.updated', { ...user, state: 'inactive' }))).toEqual(done);
    expect((await world.acme.request('GET', '/Users?filter=userName%20eq%20%22dir%22')).body.Resources).toMatchObject([
      { active: false },
    ]);
    expect(await deliver(workosEvent('dsync.group.user_removed', { directory_id: 'd', user, group }))).toEqual(done);
    expect((await world.acme.request('GET', '/Groups')).body.Resources).toMatchObject([{ members: [] }]);
    expect(await deliver(workosEvent('dsync.group.deleted', group))).toEqual(done);
    expect(await deliver(workosEvent('dsync.user.deleted', user))).toEqual(done);
    expect((await world.acme.request('GET', '/Users')).body.totalResults).toBe(0);
  });
});

describe('once, and never backwards', () => {
  test('an event that is sent again changes nothing, many at once neither [S4.12] [X4.3]', async () => {
    const event = clerkEvent('user.created', clerkUser('user_once'));
    const answers = await Promise.all(Array.from({ length: 8 }, () => deliver(event)));
    expect(answers.map(([status]) => status)).toEqual(Array(8).fill(200));
    expect(answers.filter(([, outcome]) => outcome === 'done')).toHaveLength(1);
    await sql(`update gateway.users set name = 'By hand' where email = 'user_once@acme.example'`);
    expect(await deliver(event)).toEqual([200, 'duplicate']);
    expect(await sql(`select name from gateway.users where email = 'user_once@acme.example'`)).toEqual([
      { name: 'By hand' },
    ]);
  });

  test('an older state never replaces a newer one, and what is gone stays gone [X4.3]', async () => {
    const now = Date.now();
    const role = (value: string, at: number) =>
      clerkEvent('organizationMembership.updated', clerkMembership('user_o', 'org_acme', value, at));
    expect(await deliver(role('org:new', now))).toEqual(done);
    expect(await deliver(role('org:old', now - 5000))).toEqual([200, 'outdated']);
    expect(await membersOf('user_o')).toMatchObject([{ roles: ['org:new'] }]);
    expect(
      await deliver(
        clerkEvent('organizationMembership.deleted', clerkMembership('user_o', 'org_acme', 'org:new', now), {
          at: now + 1000,
        }),
      ),
    ).toEqual(done);
    expect(await deliver(role('org:late', now + 500))).toEqual([200, 'outdated']);
    expect(await membersOf('user_o')).toEqual([]);
    expect(await deliver(role('org:back', now + 2000))).toEqual(done);
    expect(await membersOf('user_o')).toMatchObject([{ roles: ['org:back'] }]);
    await deliver(clerkEvent('user.deleted', { id: 'user_gone', deleted: true }));
    expect(await deliver(clerkEvent('user.updated', clerkUser('user_gone', { updated_at: now + 9000 })))).toEqual([
      200,
      'outdated',
    ]);
    expect(await membersOf('user_gone')).toEqual([]);
  });

  test('what the database could not do is 500, and done when it is sent again [S4.12] [X4.3]', async () => {
    await sql(
      `create function gateway.refuse_users() returns trigger language plpgsql as $$ begin raise exception 'no room' using errcode = '53100'; end $$`,
    );
    await sql(
      'create trigger refuse before insert on gateway.users for each row execute function gateway.refuse_users()',
    );
    const event = clerkEvent('user.created', clerkUser('user_again'));
    expect((await deliver(event))[0]).toBe(500);
    expect(await sql(`select from gateway.webhook_events where id = $1`, event.headers['svix-id'])).toEqual([]);
    await sql('drop trigger refuse on gateway.users');
    expect(await deliver(event)).toEqual(done);
    expect(await sql(`select from gateway.identities where subject = 'user_again'`)).toHaveLength(1);
  });
});

test('what a directory changes by a webhook is in the trail, once it is signed [S3.33]', async () => {
  const id = `event_${randomUUID()}`;
  await deliver(clerkEvent('user.created', clerkUser('user_on_record'), { id }));
  await deliver(
    clerkEvent('organizationMembership.created', clerkMembership('user_on_record', 'org_acme', 'org:member')),
  );
  await deliver(
    clerkEvent('user.created', clerkUser('user_of_nobody'), { secret: `whsec_${Buffer.from('x').toString('base64')}` }),
  );
  const rows = (target: string) => () =>
    sql(
      `select a.kind, a.action, o.slug, a.client_address, a.decision, a.detail - 'event' as detail from gateway.audit a
       left join gateway.organizations o on o.id = a.org_id where a.target = $1 and not a.open order by a.at`,
      target,
    );
  const row = { kind: 'admin', client_address: '127.0.0.1', decision: 'allow' };
  const detail = { by: 'webhook', provider: 'clerk', removed: false, outcome: 'done' };
  await expect.poll(rows('user_on_record'), { timeout: 3000 }).toEqual([
    { ...row, action: 'webhook.user', slug: null, detail: { ...detail, type: 'user.created' } },
    {
      ...row,
      action: 'webhook.membership',
      slug: 'acme',
      detail: { ...detail, type: 'organizationMembership.created' },
    },
  ]);
  expect(await rows('user_of_nobody')()).toEqual([]);
});
