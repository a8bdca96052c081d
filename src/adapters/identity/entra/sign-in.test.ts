import { afterEach, expect, test } from 'vitest';
import type { RedirectSignIn } from '#adapters/identity/identity.ts';
import { describeRedirectSignIn } from '#adapters/identity/redirect-sign-in.contract.ts';
import type { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import { openEgress } from '#http/egress.ts';
import { ada, anotherTenant, aTenant, type FakeEntraOptions, startFakeEntra } from '#kit/identity/fake-entra.ts';
import { consumersTenant, type EntraUser } from '#kit/identity/fake-entra-tokens.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { recordingLog } from '#kit/identity/recording-log.ts';
import { createSigningKeys } from '#kit/identity/signing-keys.ts';
import { entraAdapter } from './entra.ts';

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

const redirectUri = 'https://gateway.example/callback';
const eve: EntraUser = { ...ada, oid: '22222222-0000-4000-8000-000000000002', upn: 'eve@fabrikam.example' };

async function start(config: object = {}, options: FakeEntraOptions = {}) {
  const clock = manualClock();
  const fake = await startFakeEntra({ now: clock.now, web: [redirectUri], ...options });
  const egress = openEgress({ hostMap: fake.hostMap, totalMs: 500 });
  const lines: string[] = [];
  const write = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log: Log = { debug: write, info: write, warn: write, error: write };
  const settings = entraAdapter.config.parse({
    tenantId: fake.tenant,
    clientId: fake.clientId,
    clientSecret: fake.clientSecret,
    organization: 'acme',
    ...config,
  });
  const provider = await entraAdapter.open(settings, { fetch: egress.fetch, clock, log });
  opened.push(() => egress.close(), fake.close);
  const { signIn } = provider;
  if (signIn?.method !== 'redirect') throw new Error('no sign-in by redirect');
  return { fake, provider, signIn, lines, fetch: egress.fetch };
}

describeRedirectSignIn('entra', async () => {
  const log = recordingLog();
  const fake = await startFakeEntra({ web: ['https://gateway.test/base/callback'] });
  const foreign = await createSigningKeys('RS256');
  const egress = openEgress({ hostMap: fake.hostMap });
  const settings = entraAdapter.config.parse({
    tenantId: fake.tenant,
    clientId: fake.clientId,
    clientSecret: fake.clientSecret,
  });
  const { signIn } = await entraAdapter.open(settings, { fetch: egress.fetch, clock: manualClock(), log });
  if (signIn?.method !== 'redirect') throw new Error('no sign-in');
  return {
    signIn,
    async visit(url, answer) {
      fake.deny(answer === 'deny');
      return new URL((await egress.fetch(url)).headers.get('location') ?? '');
    },
    expected: { subject: `${aTenant}.${ada.oid}`, username: ada.upn, name: ada.name, emailVerified: false },
    changeEmail: (email) => fake.signInAs(aTenant, { ...ada, email, upn: email }),
    breakTokens: (fault) => fake.break(fault, '/token'),
    breakStart: (fault) => fake.break(fault, 'openid-configuration'),
    secrets: () => [fake.clientSecret, ...fake.issued],
    logged: log.text,
    hints: { loginHint: 'login_hint' },
    idToken: {
      change: (claims) => fake.changeIdTokens(claims && { claims }),
      useForeignKey: (used) => fake.changeIdTokens(used ? { keys: foreign } : undefined),
    },
    async close() {
      await egress.close();
      await fake.close();
    },
  };
});

/** Start, the browser at Microsoft, and back: what our callback is requested with. */
async function throughBrowser({ signIn, fetch }: { signIn: RedirectSignIn; fetch: typeof globalThis.fetch }) {
  const request = { redirectUri, state: 'state-of-this-sign-in' };
  const { url, memory } = await signIn.start(request);
  const answer = await fetch(url);
  return {
    asked: new URL(url),
    page: await answer.text(),
    callback: new URL(answer.headers.get('location') ?? 'https://gateway.example/nowhere'),
    finishing: { ...request, memory },
  };
}

const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'fine',
    (error: GatehouseError) => error.code,
  );

test('a person signs in with PKCE and a nonce, asked for neither a resource nor a prompt [S2.6]', async () => {
  const started = await start();
  const { asked, callback, finishing } = await throughBrowser(started);
  expect(asked.origin + asked.pathname).toBe(`https://login.microsoftonline.com/${aTenant}/oauth2/v2.0/authorize`);
  expect(Object.fromEntries(asked.searchParams)).toMatchObject({
    scope: 'openid profile email offline_access',
    code_challenge_method: 'S256',
    state: 'state-of-this-sign-in',
    redirect_uri: redirectUri,
  });
  expect([asked.searchParams.has('resource'), asked.searchParams.has('prompt')]).toEqual([false, false]);
  expect(asked.searchParams.get('nonce')).toMatch(/^.{20,}$/);
  const person = await started.signIn.finish(callback, finishing);
  expect(person).toMatchObject({
    subject: `${aTenant}.${ada.oid}`,
    username: ada.upn,
    email: ada.email,
    emailVerified: false,
    name: ada.name,
    organizations: [{ id: 'acme', roles: [] }],
  });
});

test('the code goes to Entra with our secret, or without one as a public client', async () => {
  const confidential = await start();
  const first = await throughBrowser(confidential);
  await confidential.signIn.finish(first.callback, first.finishing);
  const sent = (fake: typeof confidential.fake) =>
    new URLSearchParams(fake.requests.find(({ path }) => path.endsWith('/token'))?.body);
  expect(sent(confidential.fake).get('client_secret')).toBe(confidential.fake.clientSecret);
  const open = await start({ clientSecret: undefined, mode: 'broker' }, { web: [], desktop: [redirectUri] });
  const second = await throughBrowser(open);
  expect(await codeOf(open.signIn.finish(second.callback, second.finishing))).toBe('fine');
  expect(sent(open.fake).has('client_secret')).toBe(false);
});

test('the e-mail address counts as verified only where the directory owns its domain [B6]', async () => {
  const started = await start();
  const { callback, finishing } = await throughBrowser(started);
  expect((await started.signIn.finish(callback, finishing)).emailVerified).toBe(false);
  const again = await throughBrowser(started);
  const nonce = again.asked.searchParams.get('nonce') ?? undefined;
  const token = await started.fake.tokens.idToken(aTenant, ada, { nonce, xms_edov: true });
  started.fake.alterTokens((body) => ({ ...body, id_token: token }));
  expect((await started.signIn.finish(again.callback, again.finishing)).emailVerified).toBe(true);
});

test('several directories sign in through one door, each to its organization; others and personal accounts do not get in [B5]', async () => {
  const tenants = { [aTenant]: [ada], [anotherTenant]: [eve], [consumersTenant]: [ada] };
  const started = await start({ tenants: { [anotherTenant]: 'fabrikam' } }, { tenants });
  started.fake.signInAs(anotherTenant, eve);
  const { asked, callback, finishing } = await throughBrowser(started);
  expect(asked.pathname).toBe('/organizations/oauth2/v2.0/authorize');
  expect((await started.signIn.finish(callback, finishing)).organizations).toEqual([{ id: 'fabrikam', roles: [] }]);

  started.fake.signInAs(consumersTenant, ada);
  expect((await throughBrowser(started)).page).toContain('AADSTS50020');

  const strict = await start({ tenants: { [consumersTenant]: 'acme' } }, { tenants });
  strict.fake.signInAs(anotherTenant, eve);
  const foreign = await throughBrowser(strict);
  expect(foreign.asked.pathname).toBe('/common/oauth2/v2.0/authorize');
  expect(await codeOf(strict.signIn.finish(foreign.callback, foreign.finishing))).toBe('invalid_token');
});

test('a code that was used, a foreign nonce, a foreign state or a forged ID token signs nobody in', async () => {
  const started = await start();
  const { signIn, fake } = started;
  const used = await throughBrowser(started);
  await signIn.finish(used.callback, used.finishing);
  expect(await codeOf(signIn.finish(used.callback, used.finishing))).toBe('invalid_token');

  const other = await throughBrowser(started);
  const memory = JSON.stringify({ ...JSON.parse(other.finishing.memory), nonce: 'another' });
  expect(await codeOf(signIn.finish(other.callback, { ...other.finishing, memory }))).toBe('invalid_token');

  const stale = await throughBrowser(started);
  expect(await codeOf(signIn.finish(stale.callback, { ...stale.finishing, state: 'another' }))).toBe('invalid_token');

  const forged = await throughBrowser(started);
  fake.alterTokens((body) => ({ ...body, id_token: `${String(body.id_token).split('.').slice(0, 2).join('.')}.AAAA` }));
  expect(await codeOf(signIn.finish(forged.callback, forged.finishing))).toBe('invalid_token');
  fake.alterTokens(({ id_token: _gone, ...body }) => body);
  const bare = await throughBrowser(started);
  expect(await codeOf(signIn.finish(bare.callback, bare.finishing))).not.toBe('fine');
});

test('who declines is denied; what is wrong at Entra or in our registration is no fault of theirs', async () => {
  const started = await start();
  const { signIn, fake, lines } = started;
  const { finishing } = await throughBrowser(started);
  const refused = (error: string, text: string) =>
    new URL(`${redirectUri}?error=${error}&error_description=${encodeURIComponent(text)}&state=${finishing.state}`);
  expect(await codeOf(signIn.finish(refused('access_denied', 'AADSTS65004: declined'), finishing))).toBe(
    'sign_in_denied',
  );
  expect(await codeOf(signIn.finish(refused('invalid_target', 'AADSTS9010010: x'), finishing))).toBe(
    'identity_unavailable',
  );
  expect(lines.join()).toContain('AADSTS9010010');
  fake.break(500, '/token');
  const { callback } = await throughBrowser(started);
  expect(await codeOf(signIn.finish(callback, finishing))).toBe('identity_unavailable');
  const fresh = await start();
  fresh.fake.break(503, 'openid-configuration');
  expect(await codeOf(fresh.signIn.start({ redirectUri, state: 's' }))).toBe('identity_unavailable');
});

test('a person whose groups can not be determined is not signed in [X2.2]', async () => {
  const groups = Array.from({ length: 201 }, () => crypto.randomUUID());
  const busy = { ...ada, groups };
  const started = await start({}, { tenants: { [aTenant]: [busy] } });
  started.fake.refuseGraph(true);
  const { callback, finishing } = await throughBrowser(started);
  expect(await codeOf(started.signIn.finish(callback, finishing))).toBe('sign_in_denied');
  started.fake.refuseGraph(false);
  started.provider.forget?.(`${aTenant}.${ada.oid}`);
  const again = await throughBrowser(started);
  expect((await started.signIn.finish(again.callback, again.finishing)).groups).toEqual(groups);
});
