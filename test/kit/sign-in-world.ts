/** The authorization server with its pages, an OpenID provider ("Corp SSO") and local accounts to sign in with. */
import { identityAdapters } from '#adapters/identity/index.ts';
import { openMemoryLimiter } from '#adapters/limiter/memory/memory.ts';
import { openClosers } from '#app/closers.ts';
import { openLocalAccounts } from '#app/local-accounts.ts';
import { hashPassword } from '#core/password.ts';
import { withPlatform } from '#db/scope.ts';
import { openEgress } from '#http/egress.ts';
import { type BrowserJar, openBrowserJar, type Visited } from '#kit/browser-jar.ts';
import { type FakeOidc, startFakeOidc } from '#kit/identity/fake-oidc.ts';
import { type ManualClock, manualClock } from '#kit/identity/manual-clock.ts';
import { type RecordingLog, recordingLog } from '#kit/identity/recording-log.ts';
import { openTestServer, registerClient, type TestClient, type TestServer } from '#kit/oauth.ts';
import { createTestDatabase } from '#kit/postgres.ts';
import { type AuthorizeOptions, authorization } from '#kit/sign-in.ts';
import { insertLocalAccount } from '#records/local-accounts.ts';
import { insertOrganization } from '#records/organizations.ts';
import type { User } from '#records/users.ts';

export const password = 'correct horse battery staple';

export interface SignInWorld extends TestServer {
  readonly fake: FakeOidc;
  readonly clock: ManualClock;
  readonly log: RecordingLog;
  /** Signs in with `password` at `local`. */
  readonly ada: User;
  /** A browser that stops before it leaves for a client. */
  jar(): BrowserJar;
  register(metadata?: Readonly<Record<string, unknown>>): Promise<TestClient>;
  /** Where a client sends a browser to. */
  ask(client: TestClient, options?: Partial<AuthorizeOptions>): string;
}

export async function openSignInWorld({ local = true } = {}): Promise<SignInWorld> {
  const [clock, log, closers] = [manualClock(), recordingLog(), openClosers()];
  const database = await createTestDatabase();
  const fake = await startFakeOidc({
    clientSecret: 'a-secret-of-the-gateway',
    now: clock.now,
    user: { idToken: { sub: 'grace', email: 'grace@corp.example', orgs: 'org_corp', roles: ['engineer'] } },
  });
  const egress = openEgress({ allow: ['127.0.0.1'] });
  const localAccounts = await openLocalAccounts(database.db, { limiter: openMemoryLimiter(10_000) });
  const deps = { fetch: egress.fetch, clock, log, localAccounts };
  const sso = {
    kind: 'oidc',
    name: 'corp',
    title: 'Corp SSO',
    mode: 'broker',
    issuer: fake.issuer,
    clientId: fake.clientId,
    clientSecret: 'a-secret-of-the-gateway',
    organizationClaim: 'orgs',
    rolesClaim: 'roles',
  };
  const entries = [sso, ...(local ? [{ kind: 'local' }] : [])];
  const brokers = await Promise.all(
    entries.map((entry) => identityAdapters.open(identityAdapters.config.parse(entry), deps)),
  );
  const t = await openTestServer({ database, brokers, pages: true, clock, log });
  const digest = await hashPassword(password);
  const ada = await withPlatform(database.db, async (scope) => {
    await insertOrganization(scope, { slug: 'corp', externalId: 'org_corp', name: 'Corp' });
    const account = { username: 'ada', subject: 'ada-of-this-gateway', digest, email: undefined, name: 'Ada Lovelace' };
    return insertLocalAccount(scope, account, clock.now());
  });
  const isClient = (url: string) => !url.startsWith(t.issuer) && !url.startsWith(fake.url);
  return {
    ...t,
    fake,
    clock,
    log,
    ada,
    jar: () => openBrowserJar(isClient),
    register: (metadata) => registerClient(t, metadata),
    ask: (client, options) =>
      authorization({ issuer: t.issuer, clientId: client.id, redirectUri: client.redirectUri, ...options }).url,
    async close() {
      await t.close();
      await closers.closeAll(log);
      await Promise.all(brokers.map((provider) => provider.close()));
      await egress.close();
      await fake.close();
      await database.close();
    },
  };
}

export const withSso = { with: 'corp' } as const;
export const withPassword = { with: 'local', username: 'ada', password } as const;

/** What the client is told in its redirect URI. */
export const answerOf = ({ url }: Visited): Readonly<Record<string, string>> =>
  Object.fromEntries(new URL(url).searchParams);
