/** A local account from the command line to a call of a tool, and its end. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { openBrowserJar } from '#kit/browser-jar.ts';
import { type RunningGateway, startGateway } from '#kit/gateway.ts';
import { registerClient } from '#kit/oauth.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';
import { authorization } from '#kit/sign-in.ts';

const configYaml = `
identity:
  - kind: local
organizations:
  - { slug: acme, name: Acme }
servers:
  - { key: time, transport: { kind: builtin, name: time } }
collections:
  - { organization: acme, name: clock, allowedRoles: [reader], bindings: [{ server: time }] }
`;

const made = z.object({ username: z.string(), password: z.string().nullable() });
let database: TestDatabase;
let gateway: RunningGateway;
let issuer = '';

beforeAll(async () => {
  database = await createTestDatabase();
  const env = { DATABASE_URL: database.url, ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB' };
  gateway = await startGateway({ configYaml, env });
  // As the gateway itself is known: its default base URL.
  issuer = gateway.url.replace('127.0.0.1', 'localhost');
});
afterAll(async () => {
  await gateway?.stop();
  await database?.close();
});

const user = (args: readonly string[], input: readonly string[] = []) =>
  cli(['user', ...args], { env: { DATA_DIR: gateway.dataDir }, input });

async function signIn(username: string, password: string): Promise<string | undefined> {
  const client = await registerClient({ url: issuer });
  const { url, verifier } = authorization({
    issuer,
    clientId: client.id,
    redirectUri: client.redirectUri,
    resource: `${issuer}/acme/mcp/clock`,
  });
  const jar = openBrowserJar((target) => target.startsWith('https://client.example'));
  const page = await jar.open(url);
  const done = await jar.submit(page, { with: 'local', username, password });
  const code = URL.canParse(done.url) ? new URL(done.url).searchParams.get('code') : null;
  if (code === null) return undefined;
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      code_verifier: verifier,
      redirect_uri: client.redirectUri,
      client_id: client.id,
    }),
  });
  return z.object({ access_token: z.string() }).parse(await answer.json()).access_token;
}

async function callTool(token: string): Promise<number> {
  const answer = await fetch(`${issuer}/acme/mcp/clock`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-06-18',
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
    }),
  });
  await answer.text();
  return answer.status;
}

test('an account is made with a password shown once, signs in, reaches what its role may, and ends', async () => {
  const created = await user(['create', 'ada', '--name', 'Ada', '--org', 'acme', '--roles', 'reader', '--json']);
  expect(created).toMatchObject({ code: 0, err: '' });
  const { password } = made.parse(JSON.parse(created.out));
  expect(await signIn('ada', 'not the password')).toBeUndefined();
  const token = (await signIn('ada', password ?? '')) ?? '';
  expect(await callTool(token)).toBe(200);
  expect((await user(['list', '--json'])).out).toContain('"lastSignInAt":"20');
  expect(await user(['deactivate', 'ada'])).toMatchObject({ code: 0 });
  await expect.poll(() => callTool(token), { timeout: 5000 }).toBe(401);
  expect(await signIn('ada', password ?? '')).toBeUndefined();
  expect(JSON.stringify(gateway.logs())).not.toContain(password);
});

test('a password from standard input is not printed, and a short one is refused', async () => {
  const given = 'a long enough password';
  const created = await user(['create', 'grace', '--password-stdin'], [given]);
  expect(created.code).toBe(0);
  expect(created.out + created.err).not.toContain(given);
  expect(await signIn('grace', given)).toBeTypeOf('string');
  expect(await user(['set-password', 'grace', '--password-stdin'], ['short'])).toMatchObject({ code: 1 });
  const changed = await user(['set-password', 'grace']);
  expect(changed.err).toContain('shown once');
  expect(await signIn('grace', given)).toBeUndefined();
  expect(await signIn('grace', changed.out.trim())).toBeTypeOf('string');
});

test('what cannot be is said in a sentence', async () => {
  expect((await user(['create', 'GRACE'])).err).toContain('An account "GRACE" exists already');
  expect((await user(['deactivate', 'nobody'])).err).toContain('There is no such account');
  expect((await user(['create', 'eve', '--roles', 'reader'])).err).toContain('--roles needs --org');
  expect((await user(['create', 'eve', '--org', 'nowhere'])).err).toContain('There is no organization "nowhere"');
});
