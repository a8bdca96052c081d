/** What strangers, other people and servers try while somebody links an account. */
import { createServer } from 'node:net';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { openBrowserJar } from '#kit/browser-jar.ts';
import { openModernWire } from '#kit/modern-wire.ts';
import { type AccountPerson, type AccountsWorld, startAccountsWorld } from '#kit/upstream-auth/accounts-world.ts';
import {
  type FakeAuthorizationServer,
  startFakeAuthorizationServer,
} from '#kit/upstream-auth/fake-authorization-server.ts';
import { type GuardedServer, startGuardedServer } from '#kit/upstream-auth/guarded-server.ts';

let as: FakeAuthorizationServer;
/** One for each lie in metadata: what was believed once is kept for a while. */
let liar: FakeAuthorizationServer;
let upstream: GuardedServer;
let lying: GuardedServer;
let world: AccountsWorld;

const line = (key: string, url: string) =>
  `  - { key: ${key}, title: ${key}, transport: { kind: http, url: '${url}' }, auth: { kind: connected } }`;

beforeAll(async () => {
  [as, liar] = await Promise.all([startFakeAuthorizationServer(), startFakeAuthorizationServer()]);
  [upstream, lying] = await Promise.all([startGuardedServer(as), startGuardedServer(liar)]);
  world = await startAccountsWorld({ notes: line('notes', upstream.url), lying: line('lying', lying.url) });
}, 60_000);
afterAll(async () => {
  await world?.close();
  await Promise.all([upstream, lying, as, liar].map((one) => one?.close()));
});
beforeEach(async () => {
  as.issSaid = undefined;
  as.signedInAs = 'somebody';
  await world.database.sql('delete from gateway.connected_accounts');
});

async function linkOf({ token }: AccountPerson): Promise<string> {
  const wire = openModernWire(`${world.app.url}/acme/mcp/notes`, token, {});
  const said = JSON.stringify(await wire.request('tools/call', { name: 'whoami', arguments: {} }));
  return /http[^ "]+\/connect\/[^ "]+/.exec(said)?.[0] ?? '';
}

/** As far as the authorization server's answer, which the browser has not followed. */
async function begin(who: AccountPerson): Promise<{ readonly callback: string; readonly person: AccountPerson }> {
  const person = { ...who, jar: openBrowserJar((url) => url.startsWith(as.url)) };
  const page = await world.open(person, `${world.app.url}/connect/acme/notes`);
  const there = await person.jar.submit(page, { do: 'connect' });
  const answer = await fetch(there.url, { redirect: 'manual' });
  return { callback: answer.headers.get('location') ?? '', person };
}

const accounts = async () => (await world.database.sql('select * from gateway.connected_accounts')).length;

test("another person's link connects nothing, whoever is signed in [A3]", async () => {
  const { ada, bob } = world;
  const page = await world.open(bob, await linkOf(ada));
  expect(page.status).toBe(403);
  expect(page.html).toContain('somebody else');
  expect(await accounts()).toBe(0);
});

test('an answer that is brought to another browser connects nothing, and is used up [A3]', async () => {
  const { ada, bob } = world;
  const before = as.count('/token');
  const { callback, person } = await begin(ada);
  await world.open(bob, `${world.app.url}/connect/acme/notes`);
  expect((await bob.jar.open(callback)).status).toBe(400);
  expect((await person.jar.open(callback)).status).toBe(400);
  expect(as.count('/token')).toBe(before);
  expect(await accounts()).toBe(0);
});

test('an answer is good once', async () => {
  const { callback, person } = await begin(world.ada);
  expect((await person.jar.open(callback)).status).toBe(200);
  expect((await person.jar.open(callback)).status).toBe(400);
  expect(await accounts()).toBe(1);
});

test('an answer in the name of another authorization server never reaches a token endpoint [A11]', async () => {
  as.issSaid = 'https://evil.example';
  const { callback, person } = await begin(world.ada);
  const before = as.count('/token');
  expect((await person.jar.open(callback)).status).toBe(502);
  const bare = await begin(world.ada);
  const withoutIss = new URL(bare.callback);
  withoutIss.searchParams.delete('iss');
  expect((await bare.person.jar.open(withoutIss.href)).status).toBe(502);
  expect(as.count('/token')).toBe(before);
  expect(await accounts()).toBe(0);
});

test('a form from elsewhere connects nothing, and the answer to ours is no redirect away [A19]', async () => {
  const { ada } = world;
  const page = await world.open(ada, `${world.app.url}/connect/acme/notes`);
  const before = as.requests.length;
  expect((await ada.jar.submit(page, { do: 'connect', csrf: 'x' })).status).toBe(403);
  const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  expect((await ada.jar.submit(page, { do: 'connect' }, foreign)).status).toBe(403);
  expect(as.requests.length).toBe(before);
  expect(page.headers.get('content-security-policy')).toContain("form-action 'self'");
  expect(page.headers.get('x-frame-options')).toBe('DENY');
});

test('our pages lead nowhere that was not sealed here', async () => {
  const { ada } = world;
  for (const state of ['https://evil.example', '//evil.example', '', `9999999999999 /connect/x`]) {
    const answer = await fetch(`${world.app.url}/connect/signed-in?state=${encodeURIComponent(state)}`, {
      redirect: 'manual',
    });
    expect(answer.status).toBe(400);
  }
  expect((await world.open(ada, `${world.app.url}/connect/acme/notes?for=forged`)).status).toBe(400);
});

test('who is not signed in is sent to the sign-in, and strangers to an organization learn nothing', async () => {
  const answer = await fetch(`${world.app.url}/connect/acme/notes`, { redirect: 'manual' });
  expect(answer.status).toBe(303);
  expect(answer.headers.get('location')).toContain('/authorize?');
  const [there, nowhere] = await Promise.all(
    ['acme/nothing', 'nobody/nothing'].map((path) => world.open(world.ada, `${world.app.url}/connect/${path}`)),
  );
  expect([there?.status, nowhere?.status]).toEqual([403, 403]);
  expect(there?.html).toBe(nowhere?.html);
});

test('what a server names inside the network is not fetched, and the person learns nothing of it [S1] [F10]', async () => {
  let connections = 0;
  const sink = createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise<void>((resolve) => sink.listen(0, '127.0.0.2', resolve));
  const address = sink.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const page = () => world.open(world.ada, `${world.app.url}/connect/acme/lying`);
  const said = new Set<string>();
  for (const place of [
    `http://127.0.0.2:${port}/x`,
    'http://169.254.169.254/latest',
    'javascript:alert(1)',
    'file:///etc/passwd',
  ]) {
    lying.metadataUrl = place;
    const answer = await page();
    expect(answer.status).toBe(503);
    said.add(answer.html);
  }
  lying.metadataUrl = undefined;
  lying.issuer = `http://127.0.0.2:${port}`;
  said.add((await page()).html);
  lying.issuer = undefined;
  for (const name of ['authorization_endpoint', 'token_endpoint', 'registration_endpoint', 'revocation_endpoint']) {
    for (const place of [`http://127.0.0.2:${port}/t`, 'javascript:alert(1)', 'https://user:pw@127.0.0.1/']) {
      liar.metadata = { [name]: place };
      said.add((await page()).html);
    }
  }
  expect(said.size).toBe(1);
  expect(connections).toBe(0);
  await new Promise((resolve) => sink.close(resolve));
});

test('metadata that speaks for another issuer, or knows no PKCE, is not believed, and no secret is sent [A12] [A7]', async () => {
  liar.metadata = {};
  liar.issuerSaid = 'https://honest.example';
  const page = () => world.open(world.ada, `${world.app.url}/connect/acme/lying`);
  expect((await page()).status).toBe(503);
  liar.issuerSaid = undefined;
  liar.metadata = { code_challenge_methods_supported: ['plain'] };
  expect((await page()).status).toBe(503);
  expect(liar.count('/register') + liar.count('/token')).toBe(0);
});

test('an authorization server that takes the place of another gets neither its client nor its tokens [A13]', async () => {
  const { ada } = world;
  await world.connect(ada, `${world.app.url}/connect/acme/notes`);
  expect(as.count('/register')).toBe(1);
  liar.metadata = {};
  upstream.issuer = liar.issuer;
  await world.connect(ada, `${world.app.url}/connect/acme/notes`);
  expect(liar.count('/register')).toBe(1);
  const heard = JSON.stringify(liar.requests);
  for (const secret of as.secrets) expect(heard).not.toContain(secret);
  upstream.issuer = undefined;
});
