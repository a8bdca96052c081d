import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';

export type Claims = Readonly<Record<string, unknown>>;

export interface SignOptions {
  /** Header fields to set; undefined removes one. */
  readonly header?: Readonly<Record<string, unknown>>;
}

export interface SigningKeys {
  /** What the key set document holds: public keys, newest first. */
  readonly jwks: () => { readonly keys: readonly JWK[] };
  /** A signed JWT of exactly these claims (undefined ones left out), with the newest key. */
  sign(claims: Claims, options?: SignOptions): Promise<string>;
  /** PEM of the newest public key: what an attacker would sign HS256 with. */
  publicPem(): Promise<string>;
  /** A new key; the old ones go from the document unless `keepOld`. */
  rotate(options?: { readonly keepOld?: boolean }): Promise<void>;
}

interface Pair {
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly jwk: JWK;
}

let made = 0;

export async function createSigningKeys(alg: 'RS256' | 'ES256' = 'RS256'): Promise<SigningKeys> {
  let pairs: readonly Pair[] = [await createPair(alg)];
  const newest = () => {
    const [pair] = pairs;
    if (!pair) throw new Error('no key');
    return pair;
  };
  return {
    jwks: () => ({ keys: pairs.map(({ jwk }) => jwk) }),
    sign(claims, { header } = {}) {
      const { privateKey, jwk } = newest();
      const present = Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
      const fields = { alg, typ: 'JWT', kid: jwk.kid, ...header };
      const protectedHeader = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
      return new SignJWT(present).setProtectedHeader({ alg, ...protectedHeader }).sign(privateKey);
    },
    publicPem: () => exportSPKI(newest().publicKey),
    async rotate({ keepOld = false } = {}) {
      const pair = await createPair(alg);
      pairs = keepOld ? [pair, ...pairs] : [pair];
    },
  };
}

async function createPair(alg: 'RS256' | 'ES256'): Promise<Pair> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: `key-${++made}`, alg, use: 'sig' };
  return { privateKey, publicKey, jwk };
}
