import { afterEach, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { openEgress } from '#http/egress.ts';
import { ada, startFakeEntra } from '#kit/identity/fake-entra.ts';
import { entraAccount } from './entra.ts';

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

test('the checks of a real Entra directory hold against the emulator', async () => {
  const fake = await startFakeEntra();
  const egress = openEgress({ hostMap: fake.hostMap });
  opened.push(() => egress.close(), fake.close);
  const env = {
    ENTRA_TENANT_ID: fake.tenant,
    ENTRA_CLIENT_ID: fake.clientId,
    ENTRA_CLIENT_SECRET: fake.clientSecret,
    ENTRA_TEST_ID_TOKEN: await fake.tokens.idToken(fake.tenant, ada),
    ENTRA_TEST_OID: ada.oid,
  };
  const checks = await entraAccount.checks(env, { fetch: egress.fetch, clock: systemClock, log: silentLog });
  const told: (string | undefined)[] = [];
  for (const { run } of checks) told.push(await run());
  expect(told).toEqual(Array(5).fill(undefined));
});
