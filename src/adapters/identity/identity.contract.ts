/** What every identity provider must do: each adapter's test calls `identityContract` with a way to make tokens. */
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { GatehouseError } from '#core/error.ts';
import type { IdentityProvider } from './identity.ts';

export { describeRedirectSignIn } from './redirect-sign-in.contract.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface IdentityContractSubject {
  readonly provider: IdentityProvider;
  /** Unix milliseconds on the provider's clock. */
  now(): number;
  /** A good token of the subject `expectedSubject`, with claims and header fields replaced, or removed by undefined. */
  sign(claims?: Fields, header?: Fields): Promise<string>;
  /** A token good in everything but its key, whose id is the real one. */
  signWithForeignKey(): Promise<string>;
  readonly expectedSubject: string;
  readonly expectedIssuer: string;
  /** PEM of the public key, where there is one. */
  readonly publicPem?: string;
  /** Claims without which a token is refused. */
  readonly requiredClaims: readonly string[];
  /** False where the configuration asks for no audience; `where named`: a token may do without, but not name another. */
  readonly checksAudience: boolean | 'where named';
  /** True where `iat` to `exp` is limited to 24 hours. */
  readonly limitsLifetime: boolean;
  /** Requests for keys so far. */
  keyRequests(): number;
  close(): Promise<void>;
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const part = (token: string, index: number) => token.split('.')[index] ?? '';
const decode = (token: string, index: number): Record<string, unknown> =>
  JSON.parse(Buffer.from(part(token, index), 'base64url').toString());

export function identityContract(title: string, start: () => Promise<IdentityContractSubject>): void {
  describe(`${title}: identity provider contract`, () => {
    let subject: IdentityContractSubject;
    beforeEach(async () => {
      subject = await start();
    });
    afterEach(() => subject.close());

    const codeOf = (token: string) =>
      subject.provider.verify(token).then(
        () => 'verified',
        (error: GatehouseError) => error.code,
      );
    const seconds = (offset: number) => Math.floor(subject.now() / 1000) + offset;

    test('a good token is verified', async () => {
      const token = await subject.sign({ exp: seconds(120) });
      const verified = await subject.provider.verify(token);
      expect(verified.subject).toBe(subject.expectedSubject);
      expect(verified.issuer).toBe(subject.expectedIssuer);
      expect(verified.expiresAt).toBe(seconds(120) * 1000);
      expect(verified.claims).toMatchObject(decode(token, 1));
    });

    test('a good token of 10 KB is verified', async () => {
      expect(await codeOf(await subject.sign({ groups: Array.from({ length: 200 }, () => crypto.randomUUID()) }))).toBe(
        'verified',
      );
    });

    test('a foreign key, even under the real key id, is refused [B2]', async () => {
      expect(await codeOf(await subject.signWithForeignKey())).toBe('invalid_token');
    });

    test('a changed payload is refused', async () => {
      const token = await subject.sign();
      const changed = base64url({ ...decode(token, 1), sub: 'someone-else', id: 'someone-else' });
      expect(await codeOf(`${part(token, 0)}.${changed}.${part(token, 2)}`)).toBe('invalid_token');
    });

    test('the algorithm "none" is refused, with and without a signature [B2]', async () => {
      const token = await subject.sign();
      for (const alg of ['none', 'None', 'NONE']) {
        const head = base64url({ ...decode(token, 0), alg });
        expect(await codeOf(`${head}.${part(token, 1)}.`)).toBe('invalid_token');
        expect(await codeOf(`${head}.${part(token, 1)}.${part(token, 2)}`)).toBe('invalid_token');
      }
    });

    test('HMAC under the public key, or under nothing, is refused [B2]', async () => {
      const token = await subject.sign();
      for (const key of [subject.publicPem ?? '', '', 'secret']) {
        const input = `${base64url({ ...decode(token, 0), alg: 'HS256' })}.${part(token, 1)}`;
        const mac = createHmac('sha256', key).update(input).digest('base64url');
        expect(await codeOf(`${input}.${mac}`)).toBe('invalid_token');
      }
    });

    test('an algorithm that is not pinned is refused [B2]', async () => {
      const token = await subject.sign();
      for (const alg of ['HS512', 'RS1', 'dir', '']) {
        expect(await codeOf(`${base64url({ ...decode(token, 0), alg })}.${part(token, 1)}.${part(token, 2)}`)).toBe(
          'invalid_token',
        );
      }
    });

    test('expiry allows 59 seconds of skew, not 61 [B7]', async () => {
      expect(await codeOf(await subject.sign({ exp: seconds(-59) }))).toBe('verified');
      expect(await codeOf(await subject.sign({ exp: seconds(-61) }))).toBe('invalid_token');
    });

    test('"not before" and "issued at" allow 59 seconds of skew, not 61 [B7]', async () => {
      expect(await codeOf(await subject.sign({ nbf: seconds(59), iat: seconds(59) }))).toBe('verified');
      expect(await codeOf(await subject.sign({ nbf: seconds(62) }))).toBe('invalid_token');
      expect(await codeOf(await subject.sign({ iat: seconds(62) }))).toBe('invalid_token');
    });

    test('a token without a claim that it must have is refused [B7] [X0.4]', async () => {
      for (const claim of subject.requiredClaims) {
        expect(await codeOf(await subject.sign({ [claim]: undefined }))).toBe('invalid_token');
      }
    });

    test('claims of the wrong kind are refused', async () => {
      for (const exp of [`${seconds(60)}`, null, {}, -1, 0]) {
        expect(await codeOf(await subject.sign({ exp }))).toBe('invalid_token');
      }
      for (const sub of ['', 5, null, {}, ['a'], 'x'.repeat(600)]) {
        expect(await codeOf(await subject.sign({ sub }))).toBe('invalid_token');
      }
    });

    test('a token that lives for more than a day is refused where the issuer has to be short-lived [B7]', async () => {
      const code = await codeOf(await subject.sign({ iat: seconds(-10), exp: seconds(25 * 3600) }));
      expect(code).toBe(subject.limitsLifetime ? 'invalid_token' : 'verified');
    });

    test('a token for another audience is refused [B1] [X0.3]', async () => {
      for (const aud of ['https://elsewhere.test', '', '*', [], ['a', 'b'], undefined]) {
        const code = await codeOf(await subject.sign({ aud }));
        const free =
          subject.checksAudience === false || (subject.checksAudience === 'where named' && aud === undefined);
        expect([aud, code]).toEqual([aud, free ? 'verified' : 'invalid_token']);
      }
    });

    test('the issuer must be equal to the letter [B5]', async () => {
      const { iss } = decode(await subject.sign(), 1);
      const near = typeof iss === 'string' ? [`${iss}/`, `${iss}x`, iss.toUpperCase(), '', undefined] : [];
      for (const issuer of ['https://evil.test', ...near]) {
        expect(await codeOf(await subject.sign({ iss: issuer }))).toBe('invalid_token');
      }
    });

    test('tokens made for another purpose are refused by type or by their marks [B8]', async () => {
      for (const typ of ['id_token', 'logout+jwt', 'dpop+jwt', 'oauth-id-jag+jwt', 'secevent+jwt']) {
        expect(await codeOf(await subject.sign({}, { typ }))).toBe('invalid_token');
      }
      for (const mark of [{ at_hash: 'x' }, { nonce: 'n' }, { token_use: 'id' }, { typ: 'ID' }, { typ: 'Refresh' }]) {
        expect(await codeOf(await subject.sign(mark, { typ: 'JWT' }))).toBe('invalid_token');
      }
      for (const typ of ['at+jwt', 'application/at+jwt', 'JWT', undefined]) {
        expect(await codeOf(await subject.sign({}, { typ }))).toBe('verified');
      }
    });

    test('garbage of any kind is refused without asking for keys', async () => {
      const before = subject.keyRequests();
      const wellKnown = [
        '',
        '.',
        '..',
        '...',
        'abc',
        'a.b.c',
        'e30.e30.e30',
        'bnVsbA.bnVsbA.x',
        'gho_abc',
        'a'.repeat(10_240),
      ];
      for (const token of wellKnown) expect(await codeOf(token)).toBe('invalid_token');
      await fc.assert(fc.asyncProperty(fc.string(), async (token) => (await codeOf(token)) === 'invalid_token'));
      await fc.assert(
        fc.asyncProperty(fc.json(), fc.json(), async (head, payload) => {
          const token = `${Buffer.from(head).toString('base64url')}.${Buffer.from(payload).toString('base64url')}.AAAA`;
          return (await codeOf(token)) === 'invalid_token';
        }),
      );
      expect(subject.keyRequests()).toBe(before);
    });

    test('a token past 16 KiB is refused', async () => {
      expect(await codeOf(await subject.sign({ pad: 'x'.repeat(13_000) }))).toBe('invalid_token');
    });

    test('a key id is a name to compare, never a place to look [B3] [B4]', async () => {
      if (!subject.publicPem) return;
      const token = await subject.sign();
      for (const kid of ['../../etc/passwd', "' or 1=1", '\u0000', 'x'.repeat(300), '__proto__', 5, null, {}]) {
        const head = base64url({ ...decode(token, 0), kid, jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/' });
        expect(await codeOf(`${head}.${part(token, 1)}.${part(token, 2)}`)).toBe('invalid_token');
      }
      expect(subject.keyRequests()).toBeLessThanOrEqual(2);
    });
  });
}
