/** The whole gateway by GitHub's three variables alone: from a bare URL to a tool call (REQUIREMENTS S1.11 to S1.17). */
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { openBrowserJar } from '#kit/browser-jar.ts';
import { type RunningGateway, startGateway } from '#kit/gateway.ts';
import { send } from '#kit/http-client.ts';
import { type FakeGithub, startFakeGithub } from '#kit/identity/fake-github.ts';
import { registerClient, type TestClient } from '#kit/oauth.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { authorization } from '#kit/sign-in.ts';

const octocat = {
  id: 583231,
  login: 'octocat',
  name: 'monalisa octocat',
  emails: [{ email: 'octocat@github.com', primary: true, verified: true }],
};

let t: TestDatabase;
let fake: FakeGithub;
let upstream: RecordingUpstream;
let gateway: RunningGateway;
let issuer: string;
let client: TestClient;
beforeAll(async () => {
  [t, fake, upstream] = await Promise.all([
    createTestDatabase(),
    startFakeGithub({ user: octocat }),
    startRecordingUpstream(),
  ]);
  gateway = await startGateway({
    configYaml: `
servers: [{ key: plain, title: Plain, transport: { kind: http, url: '${upstream.url}/mcp' } }]
collections: [{ organization: default, name: open, allowedRoles: '*', bindings: [{ server: plain }] }]
enablements: [{ organization: default, server: plain, allMembers: true }]
egress: { allow: ['127.0.0.1'] }
`,
    env: {
      DATABASE_URL: t.url,
      GATEWAY_JWT_SECRET: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
      ALLOWED_GITHUB_USERS: 'OctoCat, hubot',
      ...fake.env,
    },
  });
  issuer = `http://localhost:${new URL(gateway.url).port}`;
  client = await registerClient({ url: issuer });
}, 60_000);
afterAll(async () => {
  await gateway.stop();
  await Promise.all([upstream.close(), fake.close(), t.close()]);
});

/** What the client is told in the end. */
async function signIn() {
  const asked = authorization({ issuer, clientId: client.id, redirectUri: client.redirectUri });
  const jar = openBrowserJar((url) => url.startsWith(client.redirectUri));
  const page = await jar.open(asked.url);
  const done = await jar.submit(page, { with: 'github' });
  return { ...asked, page, done, answer: new URL(done.url).searchParams };
}

test('somebody of the list signs in, with a token that says who they are at GitHub, and calls a tool [S1.11] [S1.12] [S1.17] [S1.45]', async () => {
  const before = fake.requests.length;
  const { answer, state, verifier, page, done } = await signIn();
  expect(page.html).toContain('GitHub');
  const there = done.trail.find((url) => url.startsWith(`${fake.baseUrl}/login/oauth/authorize`)) ?? '';
  expect(new URL(there).searchParams.get('scope')).toBe('user:email');
  expect(new URL(there).searchParams.get('redirect_uri')).toBe(`${issuer}/callback`);
  expect(answer.get('state')).toBe(state);
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    client_id: client.id,
    redirect_uri: client.redirectUri,
    code: answer.get('code') ?? '',
    code_verifier: verifier,
  });
  const tokens = await (await fetch(`${issuer}/token`, { method: 'POST', body })).json();
  const { access_token: token } = z.object({ access_token: z.string() }).parse(tokens);
  expect(decodeJwt(token)).toMatchObject({
    sub: '583231',
    username: 'octocat',
    email: 'octocat@github.com',
    name: 'monalisa octocat',
    iss: issuer,
  });
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'echo', arguments: {} } };
  const headers = { authorization: `Bearer ${token}` };
  expect((await send(`${issuer}/mcp/open`, { headers, body: call })).status).toBe(200);
  const toGithub = fake.requests.slice(before).map(({ path }) => path);
  expect(toGithub.filter((path) => path.endsWith('/access_token'))).toHaveLength(1);
  const log = gateway.output();
  for (const secret of [...fake.issued(), fake.clientSecret, verifier]) expect(log).not.toContain(secret);
});

test("GitHub's own token opens nothing here [B5]", async () => {
  await signIn();
  const [token = ''] = fake.issued();
  const { status } = await send(`${issuer}/mcp/open`, { headers: { authorization: `Bearer ${token}` }, body: {} });
  expect(status).toBe(401);
});

test('who is not on the list, or says no, comes back to the client with access_denied [S1.12] [S1.14]', async () => {
  fake.setUser({ id: 7, login: 'mallory' });
  const stranger = await signIn();
  expect(stranger.answer.get('code')).toBeNull();
  expect(stranger.answer.get('error')).toBe('access_denied');
  expect(stranger.answer.get('state')).toBe(stranger.state);
  expect(await t.sql(`select count(*)::int as n from gateway.users where subject = '7'`)).toEqual([{ n: 0 }]);
  fake.setUser(octocat);
  fake.deny('access_denied');
  expect((await signIn()).answer.get('error')).toBe('access_denied');
  fake.deny(undefined);
});

test('trouble at GitHub comes back to the client as server_error, and is over when it is over [S1.12]', async () => {
  fake.failToken('incorrect_client_credentials');
  const failed = await signIn();
  expect(failed.answer.get('code')).toBeNull();
  expect(['server_error', 'temporarily_unavailable']).toContain(failed.answer.get('error'));
  fake.failToken(undefined);
  expect((await signIn()).answer.get('code')).not.toBeNull();
});
