/** The Clerk adapter in front of its emulator, on a clock that the test moves. */
import { clerkAdapter } from '#adapters/identity/clerk/clerk.ts';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import type { GatehouseError } from '#core/error.ts';
import { openEgress } from '#http/egress.ts';
import { type FakeClerkOptions, startFakeClerk } from './fake-clerk.ts';
import { manualClock } from './manual-clock.ts';
import { recordingLog } from './recording-log.ts';

export async function startClerk(config: object = {}, options: FakeClerkOptions = {}) {
  const clock = manualClock();
  const log = recordingLog();
  const organizations = { org_1: { user_1: 'org:admin' }, org_2: { user_1: 'org:member', user_2: 'org:member' } };
  const fake = await startFakeClerk({ organizations, now: clock.now, ...options });
  const egress = openEgress({ allow: ['127.0.0.1'], totalMs: 1000 });
  const entry = { secretKey: fake.secretKey, frontendApi: fake.issuer, apiUrl: fake.url, ...config };
  const provider = await clerkAdapter.open(clerkAdapter.config.parse(entry), { fetch: egress.fetch, clock, log });
  const close = async () => {
    await provider.close();
    await egress.close();
    await fake.close();
  };
  return { clock, fake, log, provider, close };
}

export const codeOf = (work: Promise<unknown> | undefined) =>
  Promise.resolve(work).then(
    () => 'fine',
    (error: GatehouseError) => error.code,
  );

export const askClerk = (provider: IdentityProvider, user = 'user_1', organization = 'org_1') =>
  provider.memberships?.(user, organization) ?? Promise.reject(new Error('no memberships'));

export async function visit(url: string): Promise<URL> {
  const answer = await fetch(url, { redirect: 'manual' });
  const location = answer.headers.get('location');
  if (location === null) throw new Error(`no redirect: ${answer.status}`);
  return new URL(location);
}
