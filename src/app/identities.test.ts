import { expect, test } from 'vitest';
import { openIdentities } from '#adapters/identity/identities.ts';
import { loadConfig } from '#config/load.ts';
import { systemClock } from '#core/clock.ts';
import { openLog } from '#http/log.ts';
import { openClosers } from './closers.ts';
import { discovery, openConfiguredEgress, openConfiguredProviders } from './identities.ts';

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
  const log = openLog({ level: 'silent', format: 'json', destination: 1 });
  const egress = openConfiguredEgress(config, closers);
  const identities = openIdentities(await openConfiguredProviders(config, { egress, clock: systemClock, log }));
  expect(identities.providers.map((provider) => provider.kind)).toEqual(['workos']);
  const found = discovery(identities, async () => false);
  expect(await found.authorizationServersOf('org_123')).toEqual(['https://api.workos.com/auth/v1']);
  await closers.closeAll(log);
});
