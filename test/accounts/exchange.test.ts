/** Servers whose authorization server trusts this gateway's word on who somebody is: no page, no link. */
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakeServer, fieldsOf, startFakeServer } from '#kit/identity/fake-server.ts';
import { openModernWire } from '#kit/modern-wire.ts';
import { type AccountPerson, type AccountsWorld, startAccountsWorld } from '#kit/upstream-auth/accounts-world.ts';
import type { Issued } from '#kit/upstream-auth/fake-authorization-server.ts';
import { type GuardedServer, startGuardedServer } from '#kit/upstream-auth/guarded-server.ts';

let as: FakeServer;
let upstream: GuardedServer;
let world: AccountsWorld;
const issued = new Map<string, Issued>();
let refuses = false;

beforeAll(async () => {
  as = await startFakeServer({
    answer(request) {
      if (request.path === '/.well-known/oauth-authorization-server')
        return { status: 200, body: { issuer: as.url, token_endpoint: `${as.url}/token` } };
      if (request.path !== '/token') return undefined;
      const { assertion, subject_token: subject } = fieldsOf(request);
      if (refuses) return { status: 400, body: { error: 'invalid_grant' } };
      const person = String(decodeJwt(assertion ?? subject ?? '').sub);
      const access = `exchanged-${issued.size}-${person}`;
      issued.set(access, { person, scopes: [], resource: undefined });
      const more = subject === undefined ? {} : { issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' };
      return { status: 200, body: { access_token: access, token_type: 'Bearer', expires_in: 3600, ...more } };
    },
  });
  upstream = await startGuardedServer({ issuer: as.url, look: (token) => issued.get(token) });
  const line = (key: string, grant: string) =>
    `  - { key: ${key}, title: ${key}, transport: { kind: http, url: '${upstream.url}' }, auth: { kind: exchange, grant: ${grant}, issuer: '${as.url}', clientId: gw, clientSecret: '\${EXCHANGE_SECRET}', scopes: [read] } }`;
  world = await startAccountsWorld(
    { jag: line('jag', 'id-jag'), exchanged: line('exchanged', 'token-exchange'), obo: line('obo', 'entra-obo') },
    { EXCHANGE_SECRET: 'a-secret-for-exchanges-only' },
  );
}, 60_000);
afterAll(async () => {
  await world?.close();
  await upstream?.close();
  await as?.close();
});

const call = (who: Pick<AccountPerson, 'token'>, server: string) =>
  openModernWire(`${world.app.url}/acme/mcp/${server}`, who.token, {}).request('tools/call', {
    name: 'whoami',
    arguments: {},
  });
const asked = () => as.requests.filter(({ path }) => path === '/token');

test.each(['jag', 'exchanged', 'obo'])(
  '%s: each caller is themselves, by one exchange for many calls [C9]',
  async (server) => {
    const { ada, bob } = world;
    const before = asked().length;
    const said = await Promise.all([ada, bob, ada, bob, ada, bob].map((who) => call(who, server)));
    const [first, second] = [decodeJwt(ada.token).sub, decodeJwt(bob.token).sub];
    for (const [i, answer] of said.entries())
      expect(answer).toMatchObject({ content: [{ text: i % 2 === 0 ? first : second }] });
    expect(asked().length - before).toBe(2);
    const fields = asked().slice(before).map(fieldsOf);
    expect(fields[0]?.scope).toBe('read');
    if (server === 'obo') expect(fields[0]?.requested_token_use).toBe('on_behalf_of');
    else expect(decodeJwt(fields[0]?.assertion ?? fields[0]?.subject_token ?? '').aud).toBe(as.url);
  },
);

test('the tokens of callers stay between the gateway and the identity provider [B9]', () => {
  const bytes = upstream.upstream.bytes().toString('latin1');
  for (const { token } of [world.ada, world.bob]) expect(bytes).not.toContain(token);
});

test('a key is nobody, and who is refused is told so without a loop', async () => {
  expect(await call({ token: world.key }, 'jag')).toMatchObject({ isError: true });
  refuses = true;
  issued.clear();
  const before = asked().length;
  for (let turn = 0; turn < 3; turn++) expect(await call(world.ada, 'jag')).toMatchObject({ isError: true });
  expect(asked().length - before).toBeLessThan(2);
});

test('what was exchanged for whom is in the trail', async () => {
  const rows = () =>
    world.database.sql(
      `select a.server, a.decision, a.detail ->> 'reason' as reason, a.detail ->> 'issuer' as issuer
       from gateway.audit a where a.kind = 'credential' and a.action = 'account.exchanged' and a.subject = $1`,
      [String(decodeJwt(world.ada.token).sub)],
    );
  const row = { server: 'jag', issuer: as.url };
  const poll = () => expect.poll(rows, { timeout: 3000 });
  await poll().toContainEqual({ ...row, decision: 'allow', reason: null });
  await poll().toContainEqual({ ...row, server: 'obo', decision: 'allow', reason: null });
});
