/** However somebody is deactivated: their tokens, sessions and streams end within a second, on every replica. */
import { createHmac, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { hashPassword } from '#core/password.ts';
import { withPlatform } from '#db/scope.ts';
import { bearer, call, initialize, openStream, send } from '#kit/http-client.ts';
import { type FakeClerk, startFakeClerk } from '#kit/identity/fake-clerk.ts';
import { answerMcp, openSse } from '#kit/recording-upstream.ts';
import { type SignedInWorld, startSignedInWorld } from '#kit/signed-in-world.ts';
import { openSocket } from '#kit/web-socket-client.ts';
import { setUserActive } from '#records/users.ts';

const clerkSecret = `whsec_${Buffer.from('the signing secret of an endpoint').toString('base64')}`;

let clerk: FakeClerk;
let world: SignedInWorld;
let scimKey: string;
beforeAll(async () => {
  clerk = await startFakeClerk({ origin: 'https://clerk.acme.example' });
  world = await startSignedInWorld({
    replicas: 2,
    extraYaml: 'limits: { principal: { requestsPerMinute: 100000, concurrentCalls: 20, streams: 20 } }\n',
    env: {
      CLERK_SECRET_KEY: clerk.secretKey,
      CLERK_PUBLISHABLE_KEY: clerk.publishableKey,
      CLERK_API_URL: clerk.url,
      CLERK_WEBHOOK_SECRET: clerkSecret,
    },
  });
  const made = await world.gateways[0]?.cli(
    'key',
    'create',
    '--org',
    'acme',
    '--name',
    'scim',
    '--roles',
    'admin:scim:write',
  );
  scimKey = z.object({ key: z.string() }).parse(made).key;
}, 120_000);
afterAll(async () => {
  await world?.close();
  await clerk?.close();
});
beforeEach(() => world.upstream.script());

const at = (path: string, n = 0) => `${world.gateways[n]?.url}${path}`;
const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };

interface Somebody {
  readonly token: string;
  readonly email: string;
  /** Their row, or undefined: nobody knows them here. */
  readonly userId: string | undefined;
  /** At Clerk. */
  readonly clerkId: string;
}

/** With a token that was issued here. */
async function ownPerson(): Promise<Somebody> {
  const clerkId = `user_${randomUUID().replaceAll('-', '')}`;
  const email = `${clerkId}@acme.example`.toLowerCase();
  const person = await world.signIn({ email });
  await world.database.sql('insert into gateway.identities (identity_provider, subject, user_id) values ($1, $2, $3)', [
    'clerk',
    clerkId,
    person.user.id,
  ]);
  return { token: person.accessToken, email, userId: person.user.id, clerkId };
}

/** With a token of Clerk's. */
async function directPerson(): Promise<Somebody> {
  const clerkId = `user_${randomUUID().replaceAll('-', '')}`;
  const email = `${clerkId}@acme.example`.toLowerCase();
  clerk.setMembership(clerkId, 'org_123', 'org:member');
  const token = await clerk.signSession({
    sub: clerkId,
    email,
    email_verified: true,
    exp: Math.floor(Date.now() / 1000) + 600,
  });
  return { token, email, userId: undefined, clerkId };
}

const scim = async (method: string, path: string, body?: unknown) => {
  const answer = await fetch(at(`/scim/v2${path}`), {
    method,
    headers: { authorization: `Bearer ${scimKey}`, 'content-type': 'application/scim+json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  expect([answer.status < 300, text]).toEqual([true, text]);
  return text === '' ? {} : JSON.parse(text);
};
const provision = async ({ email }: Somebody): Promise<string> =>
  (await scim('POST', '/Users', { userName: email })).id;

async function webhook(type: string, data: object) {
  const body = JSON.stringify({ type, data, timestamp: Date.now(), object: 'event' });
  const [id, now] = [`msg_${randomUUID()}`, new Date()];
  const headers = {
    'content-type': 'application/json',
    'svix-id': id,
    'svix-timestamp': String(Math.floor(now.getTime() / 1000)),
    'svix-signature': new Webhook(clerkSecret).sign(id, now, body),
  };
  const answer = await fetch(at('/api/webhooks/clerk'), { method: 'POST', headers, body });
  expect([answer.status, await answer.json()]).toEqual([200, { received: true, outcome: 'done' }]);
}

const rowOf = async ({ clerkId }: Somebody) =>
  String(
    (await world.database.sql('select user_id from gateway.identities where subject = $1', [clerkId]))[0]?.user_id,
  );

interface Way {
  readonly name: string;
  /** What has to be there before they come in. */
  prepare(person: Somebody): Promise<() => Promise<unknown>>;
}

const patch = (value: object) => ({
  schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
  Operations: [{ op: 'Replace', ...value }],
});

const ways: readonly Way[] = [
  {
    name: 'SCIM: active is False',
    async prepare(person) {
      const id = await provision(person);
      return () => scim('PATCH', `/Users/${id}`, patch({ path: 'active', value: 'False' }));
    },
  },
  {
    name: 'SCIM: deleted',
    async prepare(person) {
      const id = await provision(person);
      return () => scim('DELETE', `/Users/${id}`);
    },
  },
  {
    name: 'webhook: banned',
    prepare:
      async ({ clerkId }) =>
      () =>
        webhook('user.updated', { id: clerkId, banned: true, updated_at: Date.now() }),
  },
  {
    name: 'webhook: deleted',
    async prepare({ clerkId }) {
      await webhook('user.created', { id: clerkId, updated_at: Date.now() });
      return () => {
        clerk.setMembership(clerkId, 'org_123', undefined);
        return webhook('user.deleted', { id: clerkId, deleted: true });
      };
    },
  },
  {
    name: 'an administrator: the person',
    async prepare(person) {
      if (person.userId === undefined) await webhook('user.created', { id: person.clerkId, updated_at: Date.now() });
      const userId = person.userId ?? (await rowOf(person));
      return () =>
        withPlatform(world.database.db, (scope) => setUserActive(scope, { userId, active: false, nowMs: Date.now() }));
    },
  },
  {
    name: 'an administrator: the member of the organization',
    async prepare(person) {
      const organization = { id: 'org_123' };
      const data = {
        id: randomUUID(),
        organization,
        public_user_data: { user_id: person.clerkId },
        role: 'org:member',
        updated_at: Date.now(),
      };
      if (person.userId === undefined) await webhook('organizationMembership.created', data);
      const userId = person.userId ?? (await rowOf(person));
      return () => world.database.sql('update gateway.members set active = false where user_id = $1', [userId]);
    },
  },
];

const membershipEnds: Way = {
  name: 'webhook: the membership is deleted',
  prepare:
    async ({ clerkId }) =>
    () => {
      clerk.setMembership(clerkId, 'org_123', undefined);
      const data = {
        id: randomUUID(),
        organization: { id: 'org_123' },
        public_user_data: { user_id: clerkId },
        role: 'org:member',
      };
      return webhook('organizationMembership.deleted', data);
    },
};

const localAccount: Way = {
  name: 'their local account',
  async prepare({ userId, clerkId }) {
    const digest = await hashPassword('correct horse battery staple');
    await world.database.sql('insert into gateway.local_accounts (user_id, username, digest) values ($1, $2, $3)', [
      userId,
      clerkId.toLowerCase(),
      digest,
    ]);
    const token = readFileSync(join(world.gateways[1]?.dataDir ?? '', 'admin.token'), 'utf8').trim();
    const url = at(`/admin/api/v1/accounts/${clerkId.toLowerCase()}/deactivate`, 1);
    return async () => {
      const headers = { ...bearer(token), 'content-type': 'application/json' };
      expect((await fetch(url, { method: 'POST', headers, body: '{}' })).status).toBe(200);
    };
  },
};

const opened: (() => void)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

/** Everything that can be open, on both replicas: each promise settles when it has ended. */
async function openAll(token: string): Promise<readonly Promise<unknown>[]> {
  world.upstream.script((request, res) => {
    if (request.method === 'GET' || request.rpc.method === 'tools/call') return void openSse(res);
    return answerMcp(request, res);
  });
  const headers = bearer(token);
  const untilEnd = async (stream: Awaited<ReturnType<typeof openStream>>) => {
    while (await stream.next());
  };
  const all = [0, 1].map(async (n) => {
    const url = at('/acme/mcp/docs', n);
    const streams = await Promise.all([
      openStream(url, { method: 'GET', headers }),
      openStream(url, { headers, body: call('slow') }),
      openStream(`${url}/sse`, { method: 'GET', headers }),
    ]);
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200]);
    const socket = await openSocket(url, { headers });
    socket.send(initialize());
    await socket.next();
    socket.send(call('slow', {}, 2));
    opened.push(...streams.map((stream) => () => stream.close()), () => socket.socket.terminate());
    return [...streams.map(untilEnd), socket.closed];
  });
  return (await Promise.all(all)).flat();
}

async function expectEnd(person: Somebody, way: Way, statuses: readonly number[]) {
  const deactivate = await way.prepare(person);
  const open = await openAll(person.token);
  const bystander = await directPerson();
  const theirs = await openAll(bystander.token);
  const from = performance.now();
  const [after] = await Promise.all([Promise.all(open).then(() => performance.now() - from), deactivate()]);
  expect(after).toBeLessThan(1000);
  for (const n of [0, 1]) {
    const next = await send(at('/acme/mcp/docs', n), { headers: bearer(person.token), body: list });
    expect(statuses).toContain(next.status);
    expect((await send(at('/acme/mcp/docs', n), { headers: bearer(bystander.token), body: list })).status).toBe(200);
  }
  for (const one of theirs) one.catch(() => undefined);
  const still = await Promise.race([Promise.race(theirs), new Promise((resolve) => setImmediate(resolve, 'open'))]);
  expect(still).toBe('open');
}

describe('HTTP, SSE, both kinds, and WebSocket end', () => {
  test.each([...ways, localAccount])('with a token that was issued here: $name [B11] [S4.12]', async (way) => {
    await expectEnd(await ownPerson(), way, [401, 403]);
  });

  test.each([...ways, membershipEnds])('with a token of the identity provider: $name [B11] [S4.12]', async (way) => {
    await expectEnd(await directPerson(), way, [401, 403]);
  });
});

test('signed by nobody: refused', async () => {
  const body = JSON.stringify({ type: 'user.deleted', data: { id: 'user_1', deleted: true } });
  const sign = createHmac('sha256', 'another secret').update(body).digest('base64');
  const headers = {
    'svix-id': 'msg_1',
    'svix-timestamp': String(Math.floor(Date.now() / 1000)),
    'svix-signature': `v1,${sign}`,
  };
  expect((await fetch(at('/api/webhooks/clerk'), { method: 'POST', headers, body })).status).toBe(400);
});
