/** The keys that sign our tokens: private halves sealed. `next` is published before it signs, `retired` until its tokens are dead. */
import { z } from 'zod';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';

export type SigningKeyState = 'next' | 'active' | 'retired';

export interface SigningKeyRow {
  readonly kid: string;
  readonly algorithm: string;
  readonly sealed: string;
  readonly state: SigningKeyState;
  /** Unix milliseconds of the last change of state. */
  readonly changedAt: number;
}

const states = z.enum(['next', 'active', 'retired']);

export function listSigningKeys(db: Db): Promise<readonly SigningKeyRow[]> {
  return withPlatform(db, async ({ tx }) => {
    const rows = await tx.selectFrom('signing_keys').selectAll().orderBy('changed_at', 'desc').execute();
    return rows.map((row) => ({
      kid: row.kid,
      algorithm: row.algorithm,
      sealed: row.sealed,
      state: states.parse(row.state),
      changedAt: row.changed_at.getTime(),
    }));
  });
}

export async function insertSigningKey(
  db: Db,
  key: Omit<SigningKeyRow, 'changedAt'> & { readonly publicJwk: object },
): Promise<void> {
  const { kid, algorithm, sealed, state, publicJwk } = key;
  await withPlatform(db, ({ tx }) =>
    tx
      .insertInto('signing_keys')
      .values({ kid, algorithm, sealed, state, public_jwk: JSON.stringify(publicJwk) })
      .execute(),
  );
}

const publicJwk = z.object({
  kty: z.string(),
  kid: z.string(),
  alg: z.string(),
  use: z.string().optional(),
  n: z.string().optional(),
  e: z.string().optional(),
  crv: z.string().optional(),
  x: z.string().optional(),
  y: z.string().optional(),
});

/** What verifies, of every key whose tokens may still live. */
export function listPublicKeys(db: Db): Promise<readonly z.output<typeof publicJwk>[]> {
  return withPlatform(db, async ({ tx }) => {
    const rows = await tx.selectFrom('signing_keys').select('public_jwk').execute();
    return rows.map((row) => publicJwk.parse(row.public_jwk));
  });
}
