/** People's own accounts at a server, the whole way: the question, the page, the token, the call. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { UrlElicitationRequiredError } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { openModernWire } from '#kit/modern-wire.ts';
import { cli } from '#kit/run-cli.ts';
import { type AccountPerson, type AccountsWorld, startAccountsWorld } from '#kit/upstream-auth/accounts-world.ts';
import {
  type FakeAuthorizationServer,
  startFakeAuthorizationServer,
} from '#kit/upstream-auth/fake-authorization-server.ts';
import { type GuardedServer, startGuardedServer } from '#kit/upstream-auth/guarded-server.ts';

let as: FakeAuthorizationServer;
let upstream: GuardedServer;
let world: AccountsWorld;

beforeAll(async () => {
  as = await startFakeAuthorizationServer();
  upstream = await startGuardedServer(as);
  world = await startAccountsWorld({
    notes: `  - { key: notes, title: Notes, transport: { kind: http, url: '${upstream.url}' }, auth: { kind: connected } }`,
  });
}, 60_000);
afterAll(async () => {
  await world?.close();
  await upstream?.close();
  await as?.close();
});

const url = { elicitation: { url: {} } };
const wire = ({ token }: AccountPerson) => openModernWire(`${world.app.url}/acme/mcp/notes`, token, url);
const call = { name: 'whoami', arguments: {} };

function questionIn(result: Readonly<Record<string, unknown>>) {
  const { inputRequests, requestState } = result as {
    inputRequests: Record<string, { params: { mode: string; url: string; message: string } }>;
    requestState: string;
  };
  const [[key = '', question] = []] = Object.entries(inputRequests);
  if (!question) throw new Error('nothing is asked');
  return { key, requestState, ...question.params };
}

test('a modern client is sent to the page that links the account, and goes on after it', async () => {
  const { ada } = world;
  const first = await wire(ada).request('tools/call', call);
  const asked = questionIn(first);
  expect(asked).toMatchObject({ mode: 'url', message: expect.stringContaining('Notes') });
  expect(asked.url.startsWith(`${world.app.url}/connect/acme/notes?for=`)).toBe(true);
  as.signedInAs = 'ada-at-notes';
  const page = await world.open(ada, asked.url);
  expect(page.status).toBe(200);
  expect(page.html).toContain(new URL(as.url).host);
  const done = await ada.jar.submit(page, { do: 'connect' });
  expect(done.html).toContain('Your account is connected');
  const again = { ...call, requestState: asked.requestState, inputResponses: { [asked.key]: { action: 'accept' } } };
  expect(await wire(ada).request('tools/call', again)).toMatchObject({ content: [{ text: 'ada-at-notes' }] });
  expect(upstream.calls).toEqual(['ada-at-notes']);
});

test('nobody is served with the account of another, and sees none of its tools [C9] [C3]', async () => {
  const { ada, bob } = world;
  upstream.calls.length = 0;
  const tools = async (who: AccountPerson) => {
    const { tools: listed } = (await wire(who).request('tools/list')) as { tools: { name: string }[] };
    return listed.map(({ name }) => name);
  };
  expect(await tools(ada)).toEqual(['of_ada-at-notes', 'whoami']);
  expect(await tools(bob)).toEqual([]);
  const first = await wire(bob).request('tools/call', call);
  expect(questionIn(first).mode).toBe('url');
  expect(upstream.calls).toEqual([]);
  as.signedInAs = 'bob-at-notes';
  await world.connect(bob, questionIn(first).url);
  for (const [who, name] of [
    [ada, 'ada-at-notes'],
    [bob, 'bob-at-notes'],
    [ada, 'ada-at-notes'],
  ] as const)
    expect(await wire(who).request('tools/call', call)).toMatchObject({ content: [{ text: name }] });
  expect(upstream.calls).toEqual(['ada-at-notes', 'bob-at-notes', 'ada-at-notes']);
});

test('the token of the caller never reaches the server [B9]', () => {
  const bytes = upstream.upstream.bytes().toString('latin1');
  for (const { token } of [world.ada, world.bob]) expect(bytes).not.toContain(token);
});

test('an API key acts for nobody, and is told so', async () => {
  const keyed = openModernWire(`${world.app.url}/acme/mcp/notes`, world.key, url);
  const said = await keyed.request('tools/call', call);
  expect(said).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('acts for nobody') }] });
  expect(JSON.stringify(said)).not.toContain('/connect/');
});

test('a client that can be asked nothing gets a link to copy', async () => {
  const { ada } = world;
  await world.database.sql(
    `delete from gateway.connected_accounts a using gateway.users u where u.id = a.user_id and u.username = 'ada'`,
  );
  await expect.poll(async () => (await wire(ada).request('tools/call', call)).resultType).toBe('input_required');
  const silent = openModernWire(`${world.app.url}/acme/mcp/notes`, ada.token, {});
  const said = await silent.request('tools/call', call);
  expect(said).toMatchObject({
    isError: true,
    content: [{ text: expect.stringMatching(/: http\S+\/connect\/acme\/notes\?for=\S+$/) }],
  });
});

test('who declines is asked no more, and who only says yes is asked again', async () => {
  const { ada } = world;
  const asked = questionIn(await wire(ada).request('tools/call', call));
  const answer = (action: string) => ({
    ...call,
    requestState: asked.requestState,
    inputResponses: { [asked.key]: { action } },
  });
  expect(await wire(ada).request('tools/call', answer('decline'))).toMatchObject({ isError: true });
  await expect(wire(ada).request('tools/call', { ...answer('accept'), arguments: { other: 1 } })).rejects.toThrow();
  await expect(wire(world.bob).request('tools/call', answer('accept'))).rejects.toThrow();
});

test('the official client of 2026-07-28 opens the page and gets its answer', async () => {
  const { ada } = world;
  as.signedInAs = 'ada-at-notes';
  const client = new Client(
    { name: 't', version: '1' },
    { capabilities: { elicitation: { url: {} } }, versionNegotiation: { mode: { pin: '2026-07-28' } } },
  );
  client.setRequestHandler('elicitation/create', async ({ params }) => {
    if (params.mode !== 'url') return { action: 'decline' };
    await world.connect(ada, params.url);
    return { action: 'accept' };
  });
  await client.connect(transportOf(ada));
  const said = await client.callTool(call);
  expect(said.content).toEqual([{ type: 'text', text: 'ada-at-notes' }]);
  await client.close();
});

test('the official client of 2025-11-25 gets error -32042 with the address, and its call works afterwards', async () => {
  const { ada } = world;
  as.revoke('ada-at-notes');
  const client = new OldClient({ name: 't', version: '1' }, { capabilities: { elicitation: { url: {} } } });
  await client.connect(new OldTransport(new URL(`${world.app.url}/acme/mcp/notes`), asOptions(ada)));
  const thrown = await client.callTool(call).catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(UrlElicitationRequiredError);
  const [asked] = thrown instanceof UrlElicitationRequiredError ? thrown.elicitations : [];
  expect(asked).toMatchObject({ mode: 'url', message: expect.stringContaining('no longer works') });
  const done = await world.connect(ada, asked?.url ?? '');
  expect(done.html).toContain('Your account is connected');
  expect((await client.callTool(call)).content).toEqual([{ type: 'text', text: 'ada-at-notes' }]);
  await client.close();
});

test('an older client gets the link in the result of its tool', async () => {
  const { bob } = world;
  as.revoke('bob-at-notes');
  const client = new OldClient({ name: 't', version: '1' }, { capabilities: {} });
  await client.connect(new OldTransport(new URL(`${world.app.url}/acme/mcp/notes`), asOptions(bob)));
  const said = await client.callTool(call);
  expect(said).toMatchObject({
    isError: true,
    content: [{ text: expect.stringContaining('/connect/acme/notes?for=') }],
  });
  await client.close();
});

test('a token that the server refuses is renewed once and the call repeated; many at once renew it once [F11]', async () => {
  const { ada } = world;
  await world.database.sql(`update gateway.connected_accounts set issued_at = now() - interval '10 minutes'`);
  const before = as.count('/token');
  as.revoke('ada-at-notes', 'access');
  upstream.calls.length = 0;
  const all = await Promise.all(Array.from({ length: 20 }, () => wire(ada).request('tools/call', call)));
  for (const said of all) expect(said).toMatchObject({ content: [{ text: 'ada-at-notes' }] });
  expect(as.count('/token') - before).toBe(1);
  expect(as.reused).toBe(0);
  expect(upstream.calls.length).toBe(20);
});

test('a permission that is missing is asked for, together with those that were given', async () => {
  const { ada } = world;
  upstream.scope = 'write';
  const asked = questionIn(await wire(ada).request('tools/call', call));
  expect(asked.message).toContain('permission');
  await world.connect(ada, asked.url);
  const scopes = as.requests
    .filter(({ path }) => path === '/authorize')
    .at(-1)
    ?.query.get('scope');
  expect(scopes).toBe('read write');
  expect(await wire(ada).request('tools/call', call)).toMatchObject({ content: [{ text: 'ada-at-notes' }] });
  upstream.scope = 'never-given';
  as.denies = true;
  await world.connect(ada, questionIn(await wire(ada).request('tools/call', call)).url);
  as.denies = false;
  upstream.scope = undefined;
});

test('what went wrong is seen by administrators, without a call having to fail [X3.4]', async () => {
  const { ada } = world;
  await world.database.sql(`update gateway.connected_accounts set state = 'failed', failed_reason = 'invalid_grant'
    where user_id = (select id from gateway.users where username = 'bob')`);
  const answer = await fetch(`${world.app.url}/admin/api/v1/organizations/acme/servers/notes/connections`, {
    headers: { authorization: `Bearer ${await adminKey()}` },
  });
  const text = await answer.text();
  expect(JSON.parse(text)).toMatchObject({
    counts: { ok: 1, failed: 1, expiring: 0 },
    items: expect.arrayContaining([expect.objectContaining({ state: 'failed', failedReason: 'invalid_grant' })]),
  });
  for (const secret of as.secrets) expect(text).not.toContain(secret);
  const list = await world.open(ada, `${world.app.url}/connect/acme`);
  expect(list.html).toContain('Notes');
});

test('who disconnects is asked anew, and the tokens are given back', async () => {
  const { ada } = world;
  const page = await world.open(ada, `${world.app.url}/connect/acme/notes`);
  const before = as.count('/revoke');
  await ada.jar.submit(page, { do: 'disconnect' });
  expect(as.count('/revoke')).toBe(before + 1);
  await expect.poll(async () => (await wire(ada).request('tools/call', call)).resultType).toBe('input_required');
});

test('sign-ins, tokens and what becomes of accounts are rows of the trail that name the person [S3.33] [S4.15]', async () => {
  const rows = async () =>
    z.array(z.looseObject({ action: z.string().nullable(), detail: z.unknown() })).parse(
      await world.database.sql(
        `select a.kind, a.action, a.server, a.decision, a.reason, a.client_address, a.detail, u.username, o.slug, a.email
           from gateway.audit a left join gateway.users u on u.subject = a.subject
           left join gateway.organizations o on o.id = a.org_id where a.kind <> 'call'`,
      ),
    );
  const at = { kind: 'credential', server: 'notes', slug: 'acme', username: 'ada' };
  const from = { client_address: '127.0.0.1' };
  const detail = expect.objectContaining({ issuer: as.url });
  for (const row of [
    { ...at, ...from, action: 'account.linked', decision: 'allow', detail },
    { ...at, ...from, action: 'account.unlinked', decision: 'allow', detail },
    { ...at, action: 'account.renewed', decision: 'allow', detail },
    { ...at, action: 'account.failed', decision: 'deny', reason: 'credential_unavailable', detail },
    { kind: 'sign_in', action: 'sign_in.done', username: 'bob', ...from, decision: 'allow' },
    { kind: 'sign_in', action: 'token.issued', username: 'bob', ...from, decision: 'allow' },
    { kind: 'sign_in', action: 'consent.given', username: 'bob', decision: 'allow' },
  ])
    await expect.poll(rows, { timeout: 3000 }).toContainEqual(expect.objectContaining(row));
  const used = await world.database.sql(
    `select 1 from gateway.audit a, gateway.connected_accounts c where a.detail ->> 'credential' = c.id::text and a.kind = 'call'`,
  );
  expect(used.length).toBeGreaterThan(0);
});

test('the database holds no token, secret, code or state in the clear', async () => {
  const rows = await world.database.sql(
    `select to_jsonb(a)::text as t from gateway.connected_accounts a union all select to_jsonb(c)::text from gateway.upstream_clients c
     union all select to_jsonb(s)::text from gateway.servers s union all select to_jsonb(x)::text from gateway.connection_attempts x`,
  );
  const dump = JSON.stringify(rows);
  expect(rows.length).toBeGreaterThan(1);
  for (const secret of as.secrets) expect(dump).not.toContain(secret);
});

const asOptions = ({ token }: AccountPerson) => ({ requestInit: { headers: { authorization: `Bearer ${token}` } } });
const transportOf = (who: AccountPerson) =>
  new StreamableHTTPClientTransport(new URL(`${world.app.url}/acme/mcp/notes`), asOptions(who));

async function adminKey(): Promise<string> {
  const { out } = await cli(
    ['key', 'create', '--org', 'acme', '--name', `a${Math.random()}`, '--roles', 'admin:*', '--json'],
    {
      env: world.env,
    },
  );
  return z.object({ key: z.string() }).parse(JSON.parse(out)).key;
}
