/** The key set of this gateway: made at the first start, sealed in the database, shared by all replicas. */
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { settingError } from '#core/error.ts';
import type { Sealer } from '#core/sealer.ts';
import type { Db } from '#db/schema.ts';
import { insertSigningKey, listSigningKeys } from '#records/signing-keys.ts';

export interface SigningKey {
  /** Private; `kid`, `alg` and `use` are set. */
  readonly jwk: JWK;
  readonly state: 'next' | 'active' | 'retired';
}

const placeOf = (kid: string) => `signing_keys:${kid}`;

/** The one that signs first. Throws GatehouseError `setting` when ENCRYPTION_KEY isn't the one they were sealed with. */
export async function openSigningKeys(
  db: Db,
  sealer: Sealer,
  algorithm: 'RS256' | 'ES256',
): Promise<readonly SigningKey[]> {
  const rows = await listSigningKeys(db);
  const keys = rows.map((row): SigningKey => {
    const opened = sealer.open(placeOf(row.kid), row.sealed);
    if (opened === undefined) {
      throw settingError(
        'The signing keys in the database cannot be opened: ENCRYPTION_KEY is not the one they were made with',
      );
    }
    return { jwk: JSON.parse(opened), state: row.state };
  });
  const active = keys.filter((key) => key.state === 'active' && key.jwk.alg === algorithm);
  if (active.length > 0) return [...active, ...keys.filter((key) => !active.includes(key))];
  const made = await makeSigningKey(algorithm);
  const kid = made.kid ?? '';
  const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...publicJwk } = made;
  const sealed = sealer.seal(placeOf(kid), JSON.stringify(made));
  await insertSigningKey(db, { kid, algorithm, sealed, state: 'active', publicJwk });
  return [{ jwk: made, state: 'active' }, ...keys];
}

async function makeSigningKey(alg: 'RS256' | 'ES256'): Promise<JWK> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 });
  return { ...(await exportJWK(privateKey)), kid: randomUUID(), alg, use: 'sig' };
}
