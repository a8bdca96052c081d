/** The configurations of docs/guide/sign-in.md, as printed there: each loads, and signs somebody in. */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SignedIn } from '#adapters/identity/identity.ts';
import { openClosers } from '#app/closers.ts';
import { openConfiguredProviders } from '#app/identities.ts';
import { loadConfig } from '#config/load.ts';
import { systemClock } from '#core/clock.ts';
import { openEgress } from '#http/egress.ts';
import { openLog } from '#http/log.ts';
import { startFakeGithub } from '#kit/identity/fake-github.ts';
import { type FakeUser, startFakeOidc } from '#kit/identity/fake-oidc.ts';
import { createSelfSigned } from '#kit/identity/self-signed.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';

const folder = join(import.meta.dirname, '../../examples/sign-in');
const guide = readFileSync(join(import.meta.dirname, '../../docs/guide/sign-in.md'), 'utf8');
const example = (name: string) => readFileSync(join(folder, `${name}.yaml`), 'utf8');
const log = openLog({ level: 'silent', format: 'json', destination: 1 });
const request = { redirectUri: 'https://mcp.acme.example/callback', state: 'state-of-the-browser' };

let t: TestDatabase;
beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.close());

/** `CLIENT_ID` variables of the examples are the fakes' client. */
async function open(name: string, hostMap: Readonly<Record<string, string>>, cwd = '/w') {
  const source = example(name);
  const variables = [...source.matchAll(/\$\{(\w+)\}/g)].map(([, variable = '']) => variable);
  const given = variables.map((variable) => [variable, variable.endsWith('_ID') ? 'gateway-client' : 'w'.repeat(40)]);
  const env = { ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB', ...Object.fromEntries(given) };
  const readFile = (path: string) => (path === join(cwd, 'gatehouse.yaml') ? source : undefined);
  const config = loadConfig({ env, cwd, readFile });
  const egress = openEgress({ hostMap });
  const closers = openClosers();
  const [provider] = await openConfiguredProviders(config, { egress, db: t.db, clock: systemClock, log, closers });
  if (!provider) throw new Error('no identity provider');
  return { config, provider, close: () => closers.closeAll(log).then(() => egress.close()) };
}

test('the guide prints every example, and no other', () => {
  // Their first line is for editors.
  const files = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8').replace(/^# yaml-.*\n/, ''));
  const printed = [...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text);
  expect(new Set(printed)).toEqual(new Set(files));
});

interface Case {
  readonly name: string;
  readonly issuer: string;
  readonly user: FakeUser;
  readonly expected: Partial<SignedIn>;
}

const cases: readonly Case[] = [
  {
    name: 'google',
    issuer: 'https://accounts.google.com',
    user: { idToken: { email: 'ann@acme.example', email_verified: true, hd: 'acme.example' } },
    expected: { email: 'ann@acme.example', roles: [] },
  },
  {
    name: 'okta',
    issuer: 'https://acme.okta.com',
    user: { userinfo: { email: 'ann@acme.example', groups: ['Platform Team', 'Everyone'] } },
    expected: { groups: ['Platform Team', 'Everyone'], roles: ['admin'] },
  },
  {
    name: 'auth0',
    issuer: 'https://acme.eu.auth0.com/',
    user: { idToken: { 'https://acme.example/roles': ['editor'], org_id: 'org_9ybsU1dN2dKfDkBi' } },
    expected: { roles: ['user'], organizations: [{ id: 'org_9ybsU1dN2dKfDkBi', roles: ['user'] }] },
  },
  {
    name: 'keycloak',
    issuer: 'https://sso.acme.example/realms/main',
    user: { idToken: { groups: ['/acme/dev'] }, accessToken: { realm_access: { roles: ['operator'] } } },
    expected: { groups: ['/acme/dev'], roles: ['admin', 'user'] },
  },
  {
    name: 'cognito',
    issuer: 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf123',
    user: { idToken: { 'cognito:groups': ['admins'], token_use: 'id' } },
    expected: { groups: ['admins'], roles: ['admin'] },
  },
];

describe('the examples', () => {
  test.each(cases)('$name signs somebody in', async ({ name, issuer, user, expected }) => {
    const fake = await startFakeOidc({ issuer, user, alg: 'RS256', clientSecret: 'w'.repeat(40) });
    const { provider, close } = await open(name, { [new URL(issuer).hostname]: fake.url });
    if (provider.signIn?.method !== 'redirect') throw new Error('no sign-in');
    const { url, memory } = await provider.signIn.start(request);
    const callback = await fake.visit(url);
    expect(await provider.signIn.finish(callback, { ...request, memory })).toMatchObject(expected);
    expect(provider).toMatchObject({ name, mode: 'broker' });
    await close();
    await fake.close();
  });

  test('github signs a member of the organization in', async () => {
    const user = {
      id: 1,
      login: 'ann',
      organizations: { 'acme-inc': 'active' as const },
      teams: ['acme-inc/platform'],
    };
    const fake = await startFakeGithub({ user, apps: { 'gateway-client': 'w'.repeat(40) } });
    const { provider, close } = await open('github', { 'github.com': fake.url, 'api.github.com': fake.url });
    if (provider.signIn?.method !== 'redirect') throw new Error('no sign-in');
    const { url, memory } = await provider.signIn.start(request);
    const callback = await fake.visit(url);
    expect(await provider.signIn.finish(callback, { ...request, memory })).toMatchObject({ roles: ['admin', 'user'] });
    await close();
    await fake.close();
  });

  test.each(['workos', 'clerk'])('%s is ready to sign people in', async (name) => {
    const { provider, close } = await open(name, {});
    expect(provider).toMatchObject({ name, mode: 'broker', signIn: { method: 'redirect' } });
    await close();
  });

  test('open-webui accepts its sessions', async () => {
    const { provider, config, close } = await open('open-webui', {});
    expect(provider).toMatchObject({ name: 'open-webui', mode: 'direct', organization: 'acme' });
    expect(config.organizations).toEqual([{ slug: 'acme', name: 'Acme' }]);
    await close();
  });

  test('private finds its certificates beside the configuration', async () => {
    const cwd = await mkdtemp(join(tmpdir(), 'gatehouse-example-'));
    const { cert, key } = createSelfSigned(['gateway']);
    for (const [name, text] of Object.entries({ 'acme-ca.pem': cert, 'gateway.pem': cert, 'gateway.key': key })) {
      await writeFile(join(cwd, name), text);
    }
    const { provider, close } = await open('private', {}, cwd);
    expect(provider).toMatchObject({ name: 'sso', title: 'Acme single sign-on', mode: 'broker' });
    await close();
    await rm(cwd, { recursive: true });
  });
});
