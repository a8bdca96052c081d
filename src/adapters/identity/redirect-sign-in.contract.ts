/** What every sign-in by redirect must do: each adapter's test calls `describeRedirectSignIn` with its emulator. */
import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { GatehouseError } from '#core/error.ts';
import type { RedirectSignIn, SignedIn, SignInRequest } from './identity.ts';

type Fields = Readonly<Record<string, unknown>>;

/** An answer of the token endpoint that is no answer; as the fake servers' `break` names them. */
type SignInFault = number | 'silent' | 'garbage' | 'empty' | 'huge' | 'reset' | 'redirect';

export interface RedirectSignInSubject {
  readonly signIn: RedirectSignIn;
  /**
   * The browser: goes to the address that `start` gave, where a fixed person signs in (`allow`), or she or her
   * administrator says no (`deny`); where the browser is sent back to.
   */
  visit(url: string, answer: 'allow' | 'deny'): Promise<URL>;
  /** What `finish` must at least say of her. */
  readonly expected: Partial<SignedIn> & Pick<SignedIn, 'subject'>;
  /** From now on she has another e-mail address; she stays the same subject. */
  changeEmail(email: string): void;
  /** Breaks the endpoint that redeems codes; undefined: well again. */
  breakTokens(fault: SignInFault | undefined): void;
  /** Breaks what `start` needs of the identity provider, where it needs anything. */
  readonly breakStart?: (fault: SignInFault | undefined) => void;
  /** Our client secret, and every token that the identity provider has given out so far. */
  secrets(): readonly string[];
  /** All that was logged, with errors and their causes (recordingLog). */
  logged(): string;
  /** Query parameters that carry the hints of a SignInRequest, where there are any. */
  readonly hints?: { readonly organization?: string; readonly loginHint?: string };
  /** Where the identity provider gives an ID token: claims replaced in the next ones, or a foreign key under the real key id. */
  readonly idToken?: {
    change(claims: Fields | undefined): void;
    readonly useForeignKey?: (used: boolean) => void;
  };
  /** Milliseconds on the test's own watch within which a silent identity provider has to be given up; default 5000. */
  readonly patienceMs?: number;
  close(): Promise<void>;
}

const redirectUri = 'https://gateway.test/base/callback';

/** What every sign-in by redirect must do. RFC 9700: nothing of one attempt is good for another. */
export function describeRedirectSignIn(title: string, start: () => Promise<RedirectSignInSubject>): void {
  describe(`${title}: sign-in by redirect`, () => {
    let subject: RedirectSignInSubject;
    beforeEach(async () => {
      subject = await start();
    });
    afterEach(() => subject.close());

    let attempts = 0;
    const begin = async (hints: Partial<SignInRequest> = {}) => {
      const request: SignInRequest = {
        redirectUri,
        state: `st.~-_${++attempts}%2F&=+ü${crypto.randomUUID()}`,
        ...hints,
      };
      const { url, memory } = await subject.signIn.start(request);
      return { request, url: new URL(url), memory };
    };
    type Attempt = Awaited<ReturnType<typeof begin>>;
    const comeBack = ({ url }: Attempt, answer: 'allow' | 'deny' = 'allow') => subject.visit(url.href, answer);
    const finish = ({ request, memory }: Attempt, callback: URL) =>
      subject.signIn.finish(callback, { ...request, memory });
    const refusal = (work: Promise<unknown>): Promise<GatehouseError> =>
      work.then(
        () => Promise.reject(new Error('it was accepted')),
        (error: GatehouseError) => error,
      );
    const codeOf = async (work: Promise<unknown>) => (await refusal(work)).code;
    const denied = ['sign_in_denied', 'invalid_token'];
    const challengeOf = (verifier: string) => createHash('sha256').update(verifier).digest('base64url');
    const verifierIn = ({ url, memory }: Attempt) => {
      const challenge = url.searchParams.get('code_challenge');
      return memory.match(/[\w.~-]{43,128}/g)?.find((text) => challengeOf(text) === challenge);
    };

    test('a person signs in and comes back with who she is', async () => {
      const attempt = await begin();
      const callback = await comeBack(attempt);
      expect(`${callback.origin}${callback.pathname}`).toBe(redirectUri);
      expect(callback.searchParams.get('state')).toBe(attempt.request.state);
      expect(attempt.url.searchParams.get('redirect_uri')).toBe(redirectUri);
      expect(await finish(attempt, callback)).toMatchObject(subject.expected);
    });

    test('the subject is no e-mail address and stays when that changes [B6]', async () => {
      const before = await begin();
      const first = await finish(before, await comeBack(before));
      subject.changeEmail('another.address@example.test');
      const after = await begin();
      const second = await finish(after, await comeBack(after));
      expect(second.subject).toBe(first.subject);
      expect(second.subject).not.toMatch(/@/);
    });

    test('PKCE S256 with a new verifier each time, kept on our side [X1.1]', async () => {
      const [one, two] = [await begin(), await begin()];
      for (const attempt of [one, two]) {
        expect(attempt.url.searchParams.get('code_challenge_method')).toBe('S256');
        const verifier = verifierIn(attempt);
        expect(verifier).toBeDefined();
        expect(decodeURIComponent(attempt.url.search)).not.toContain(verifier);
      }
      expect(verifierIn(one)).not.toBe(verifierIn(two));
    });

    test('the hints of the request reach the identity provider, and nothing is hinted without them', async () => {
      const hinted = await begin({ organization: 'org_1&x=2', loginHint: 'ann+1@example.test' });
      const plain = await begin();
      const { organization, loginHint } = subject.hints ?? {};
      if (organization) expect(hinted.url.searchParams.getAll(organization)).toEqual(['org_1&x=2']);
      if (loginHint) expect(hinted.url.searchParams.getAll(loginHint)).toEqual(['ann+1@example.test']);
      for (const name of [organization, loginHint]) if (name) expect(plain.url.searchParams.has(name)).toBe(false);
      expect(hinted.url.searchParams.has('x')).toBe(false);
    });

    test('who is refused, or says no, is denied', async () => {
      const attempt = await begin();
      expect(await codeOf(finish(attempt, await comeBack(attempt, 'deny')))).toBe('sign_in_denied');
    });

    test('an identity provider that says it is out of order is unavailable, not a refusal', async () => {
      for (const error of ['server_error', 'temporarily_unavailable']) {
        const attempt = await begin();
        const callback = new URL(redirectUri);
        callback.search = new URLSearchParams({ error, state: attempt.request.state }).toString();
        expect(await codeOf(finish(attempt, callback))).toBe('identity_unavailable');
      }
    });

    test('an answer without a code, or with a made-up one, signs nobody in', async () => {
      const attempt = await begin();
      const { state } = attempt.request;
      const queries: readonly Readonly<Record<string, string>>[] = [
        { state },
        { state, code: '' },
        { state, code: 'made-up' },
      ];
      for (const query of queries) {
        const callback = new URL(`${redirectUri}?${new URLSearchParams({ ...query })}`);
        expect(denied).toContain(await codeOf(finish(attempt, callback)));
      }
    });

    test('a code of another attempt is refused: it belongs to another verifier [X1.1]', async () => {
      const [mine, theirs] = [await begin(), await begin()];
      const stolen = await comeBack(theirs);
      stolen.searchParams.set('state', mine.request.state);
      expect(denied).toContain(await codeOf(finish(mine, stolen)));
    });

    test('a code is good once [X1.1]', async () => {
      const attempt = await begin();
      const callback = await comeBack(attempt);
      await finish(attempt, callback);
      expect(denied).toContain(await codeOf(finish(attempt, callback)));
    });

    test('an ID token with another nonce, audience, issuer, subject or time is refused [X4.3]', async () => {
      if (!subject.idToken) return;
      const past = Math.floor(Date.now() / 1000) - 7200;
      for (const claims of [
        { nonce: 'of-another-attempt' },
        { nonce: undefined },
        { aud: 'another-client' },
        { iss: 'https://evil.test' },
        { exp: past },
        { sub: undefined },
        { sub: '' },
      ]) {
        subject.idToken.change(claims);
        const attempt = await begin();
        expect([claims, await codeOf(finish(attempt, await comeBack(attempt)))]).toEqual([claims, 'invalid_token']);
      }
      subject.idToken.change(undefined);
      const attempt = await begin();
      expect(await finish(attempt, await comeBack(attempt))).toMatchObject(subject.expected);
    });

    test('an ID token under a foreign key is refused [B2] [X4.3]', async () => {
      if (!subject.idToken?.useForeignKey) return;
      subject.idToken.useForeignKey(true);
      const attempt = await begin();
      expect(await codeOf(finish(attempt, await comeBack(attempt)))).toBe('invalid_token');
    });

    test.each([500, 503, 429, 401, 'garbage', 'empty', 'huge', 'reset', 'redirect', 'silent'] as const)(
      'a token endpoint that fails (%s) is unavailable within bounds, and a later sign-in works',
      async (fault) => {
        const broken = await begin();
        const callback = await comeBack(broken);
        subject.breakTokens(fault);
        const startedAt = performance.now();
        expect(await codeOf(finish(broken, callback))).toBe('identity_unavailable');
        expect(performance.now() - startedAt).toBeLessThan(subject.patienceMs ?? 5000);
        subject.breakTokens(undefined);
        const attempt = await begin();
        expect(await finish(attempt, await comeBack(attempt))).toMatchObject(subject.expected);
      },
    );

    test.each([500, 'garbage', 'empty', 'reset', 'silent'] as const)(
      'an outage (%s) before the start is unavailable within bounds',
      async (fault) => {
        if (!subject.breakStart) return;
        subject.breakStart(fault);
        const startedAt = performance.now();
        expect(await codeOf(begin())).toBe('identity_unavailable');
        expect(performance.now() - startedAt).toBeLessThan(subject.patienceMs ?? 5000);
      },
    );

    test('no secret is in the address, in errors with their causes, or in the log [X1.5]', async () => {
      const shown: string[] = [];
      const look = (error: GatehouseError) => {
        shown.push(error.message, inspect(error, { depth: 12, showHidden: true, maxStringLength: null }));
      };
      const hidden = new Set<string>();
      const remember = (attempt: Attempt, callback: URL) => {
        shown.push(attempt.url.href);
        for (const text of [verifierIn(attempt), callback.searchParams.get('code')]) if (text) hidden.add(text);
      };
      for (const fault of [401, 400, 500, 'garbage', 'empty', 'huge'] as const) {
        const attempt = await begin();
        const callback = await comeBack(attempt);
        remember(attempt, callback);
        subject.breakTokens(fault);
        look(await refusal(finish(attempt, callback)));
        subject.breakTokens(undefined);
      }
      const [attempt, other] = [await begin(), await begin()];
      const callback = await comeBack(attempt);
      remember(attempt, callback);
      look(await refusal(finish(other, callback)));
      if (subject.idToken) {
        subject.idToken.change({ nonce: 'of-another-attempt' });
        const odd = await begin();
        const back = await comeBack(odd);
        remember(odd, back);
        look(await refusal(finish(odd, back)));
      }
      const text = [...shown, subject.logged()].join('\n');
      expect(subject.secrets().length).toBeGreaterThan(0);
      for (const secret of [...hidden, ...subject.secrets()]) expect(text).not.toContain(secret);
    });
  });
}
