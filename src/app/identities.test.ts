import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openIdentities } from '#adapters/identity/identities.ts';
import { loadConfig } from '#config/load.ts';
import { systemClock } from '#core/clock.ts';
import { openLog } from '#http/log.ts';
import { createSelfSigned } from '#kit/identity/self-signed.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { openClosers } from './closers.ts';
import { discovery, openConfiguredEgress, openConfiguredProviders } from './identities.ts';

const log = openLog({ level: 'silent', format: 'json', destination: 1 });
let t: TestDatabase;
beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.close());

test('WorkOS by its three variables is an identity provider that discovery names [S0.12] [S0.20]', async () => {
  const env = {
    DATABASE_URL: 'postgresql://localhost/gatehouse',
    ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
    WORKOS_API_KEY: 'sk_1',
    WORKOS_CLIENT_ID: 'client_1',
    WORKOS_AUTHORIZATION_SERVER_URL: 'https://api.workos.com/auth/v1',
  };
  const config = loadConfig({ env, cwd: '/nonexistent', readFile: () => undefined });
  const closers = openClosers();
  const egress = openConfiguredEgress(config, closers);
  const deps = { egress, db: t.db, clock: systemClock, log, closers };
  const identities = openIdentities(await openConfiguredProviders(config, deps));
  expect(identities.providers.map((provider) => provider.kind)).toEqual(['workos']);
  const found = discovery(identities, async () => false);
  expect(await found.authorizationServersOf('org_123')).toEqual(['https://api.workos.com/auth/v1']);
  await closers.closeAll(log);
});

/** An identity provider at https://localhost with a certificate of its own making, which asks callers for theirs. */
async function startPrivateProvider(clientCa: string) {
  const own = createSelfSigned(['localhost']);
  let issuer = '';
  const server = createServer(
    { ...own, ca: clientCa, requestCert: true, rejectUnauthorized: true },
    (_request, response) => {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ issuer }));
    },
  );
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const address = server.address();
  issuer = `https://localhost:${typeof address === 'object' ? address?.port : ''}`;
  const close = () => new Promise<void>((resolve) => void server.close(() => resolve()));
  return { issuer, cert: own.cert, close };
}

test("an entry's own authorities and client certificate are used for it, and for it alone", async () => {
  const ours = createSelfSigned(['gateway']);
  const provider = await startPrivateProvider(ours.cert);
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-tls-'));
  const files = { 'ca.pem': provider.cert, 'client.pem': ours.cert, 'client.key': ours.key };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const entry = (name: string, tls: string) =>
    `{ kind: oidc, name: ${name}, issuer: '${provider.issuer}', audiences: [a]${tls && `, tls: { ${tls} }`} }`;
  const entries = {
    mutual: 'caFile: ca.pem, certFile: client.pem, keyFile: client.key',
    trusting: 'caFile: ca.pem',
    plain: '',
  };
  const source = `identity:\n${Object.entries(entries)
    .map(([name, tls]) => `  - ${entry(name, tls)}\n`)
    .join('')}`;
  const config = loadConfig({
    env: { ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB' },
    cwd: folder,
    readFile: (path) => (path.endsWith('gatehouse.yaml') ? source : undefined),
  });
  const closers = openClosers();
  const egress = openConfiguredEgress(config, closers);
  const providers = await openConfiguredProviders(config, { egress, db: t.db, clock: systemClock, log, closers });
  const outcome = async (name: string) =>
    providers
      .find((one) => one.name === name)
      ?.metadata?.()
      .then(
        ({ issuer }) => issuer,
        (error) => error.code,
      );
  expect(await outcome('mutual')).toBe(provider.issuer);
  expect(await outcome('trusting')).toBe('identity_unavailable');
  expect(await outcome('plain')).toBe('identity_unavailable');
  await closers.closeAll(log);
  await provider.close();
  await rm(folder, { recursive: true });
});

test('tls settings that cannot work stop the start with a sentence', async () => {
  const refusal = async (tls: string) => {
    const source = `identity: [{ kind: oidc, issuer: 'https://a.test', audiences: [a], tls: { ${tls} } }]`;
    const env = { ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB' };
    const config = loadConfig({
      env,
      cwd: '/nonexistent',
      readFile: (path) => (path.endsWith('.yaml') ? source : undefined),
    });
    const closers = openClosers();
    const egress = openConfiguredEgress(config, closers);
    const opening = openConfiguredProviders(config, { egress, db: t.db, clock: systemClock, log, closers });
    const message = await opening.catch((error) => error.message);
    await closers.closeAll(log);
    return message;
  };
  expect(await refusal('caFile: missing.pem')).toContain(
    'The caFile missing.pem of an identity provider cannot be read',
  );
});
