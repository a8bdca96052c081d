/**
 * The key set of this gateway: sealed in the database, shared by all replicas, in memory on each. A key is published as
 * `next` before it signs, so that whoever caches the set knows it by then, and stays as `retired` until its last token is dead.
 */
import { createPrivateKey, randomUUID } from 'node:crypto';
import type { JWTVerifyGetKey } from 'jose';
import { calculateJwkThumbprint, createLocalJWKSet, errors, exportJWK, generateKeyPair, type JWK } from 'jose';
import type { Clock } from '#core/clock.ts';
import { settingError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import type { Sealer } from '#core/sealer.ts';
import type { Secret } from '#core/secret.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import type { Db } from '#db/schema.ts';
import {
  changeSigningKeys,
  listSigningKeys,
  type SigningKeyChanges,
  type SigningKeyRow,
} from '#records/signing-keys.ts';

export type SigningAlgorithm = 'RS256' | 'ES256';

export interface SigningKey {
  /** Private; `kid`, `alg` and `use` are set. */
  readonly jwk: JWK & { readonly kid: string };
  readonly state: SigningKeyRow['state'];
  readonly changedAt: number;
}

export interface SigningKeysDeps {
  readonly db: Db;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly log: Log;
  readonly feed: ChangeFeed;
  readonly algorithm: SigningAlgorithm;
  /** A private key that the operator gave, in PEM or the base64 of it: it signs, whatever the database has. */
  readonly given?: Secret | undefined;
  readonly accessTokenSeconds: number;
}

export interface SigningKeys {
  /** The one that signs is the first. */
  readonly current: readonly SigningKey[];
  /** For `jwtVerify`; an unknown key id makes it look into the database, at most twice a minute. */
  readonly find: JWTVerifyGetKey;
  /** Called after the set changed, here or on another replica. */
  onChange(listener: () => void): void;
  /** Moves each key on whose time has come; called by a timer. */
  advance(): Promise<void>;
  close(): void;
}

/** Whoever caches our key set has the next key by then: twice what `Cache-Control` says of it. */
const publishMs = 600_000;
/** After the last token signed by it expired: clocks differ. */
const marginMs = 120_000;
const renewEveryMs = 30_000;
const placeOf = (kid: string) => `signing_keys:${kid}`;

/** Throws GatehouseError `setting` when ENCRYPTION_KEY isn't the one they were sealed with, or the given key is none. */
export async function openSigningKeys(deps: SigningKeysDeps): Promise<SigningKeys> {
  const { db, sealer, clock, log, algorithm } = deps;
  await ensureActive(deps);
  let keys = await read(db, sealer, algorithm);
  let published = createLocalJWKSet({ keys: keys.map((key) => publicHalf(key.jwk)) });
  let renewedAt = Number.NEGATIVE_INFINITY;
  const listeners = new Set<() => void>();

  async function renew(): Promise<void> {
    const found = await read(db, sealer, algorithm);
    const changed = fingerprint(found) !== fingerprint(keys);
    keys = found;
    if (!changed) return;
    published = createLocalJWKSet({ keys: keys.map((key) => publicHalf(key.jwk)) });
    for (const listener of listeners) listener();
  }
  const unsubscribe = deps.feed.subscribe((change) => {
    if (change.kind !== 'signing-key' && change.kind !== 'everything') return;
    renew().catch((err: unknown) => log.error({ err }, 'the signing keys cannot be read'));
  });

  return {
    get current() {
      return keys;
    },
    async find(header, jws) {
      try {
        return await published(header, jws);
      } catch (error) {
        // The announcement of a new key may be on its way still; strangers' key ids cost one look per half minute.
        if (!(error instanceof errors.JWKSNoMatchingKey) || clock.monotonic() - renewedAt < renewEveryMs) throw error;
        renewedAt = clock.monotonic();
        await renew();
        return published(header, jws);
      }
    },
    onChange: (listener) => void listeners.add(listener),
    async advance() {
      const due = dueChanges(
        keys.map(({ jwk, state, changedAt }) => ({ kid: jwk.kid, algorithm: jwk.alg ?? '', state, changedAt })),
        deps,
      );
      if (isNothing(due)) return;
      await changeSigningKeys(db, clock.now(), (rows) => dueChanges(rows, deps));
      await renew();
    },
    close: unsubscribe,
  };
}

type Row = Omit<SigningKeyRow, 'sealed'>;

/** What time alone changes: `next` signs once it is known, `retired` goes once its tokens are dead. */
function dueChanges(
  rows: readonly Row[],
  { clock, accessTokenSeconds }: Pick<SigningKeysDeps, 'clock' | 'accessTokenSeconds'>,
): SigningKeyChanges {
  const age = (row: Row) => clock.now() - row.changedAt;
  const next = rows.filter((row) => row.state === 'next' && age(row) >= publishMs);
  const replaced = rows.filter((row) => row.state === 'active' && next.some((one) => one.algorithm === row.algorithm));
  const dead = rows.filter((row) => row.state === 'retired' && age(row) >= accessTokenSeconds * 1000 + marginMs);
  return {
    states: [
      ...next.map(({ kid }) => ({ kid, state: 'active' as const })),
      ...replaced.map(({ kid }) => ({ kid, state: 'retired' as const })),
    ],
    remove: dead.map(({ kid }) => kid),
  };
}

const isNothing = ({ insert = [], states = [], remove = [] }: SigningKeyChanges) =>
  insert.length + states.length + remove.length === 0;

/**
 * A new key, which signs once every verifier had time to fetch it (ten minutes); at once where the old one is no longer to
 * be trusted: then whatever the old ones signed is refused from now on. Returns its id.
 */
export async function rotateSigningKeys(
  { db, sealer, clock, algorithm }: Pick<SigningKeysDeps, 'db' | 'sealer' | 'clock' | 'algorithm'>,
  { atOnce = false }: { readonly atOnce?: boolean } = {},
): Promise<{ readonly kid: string; readonly signsAt: number }> {
  const made = await makeSigningKey(algorithm);
  let found = { kid: made.kid, signsAt: clock.now() + (atOnce ? 0 : publishMs) };
  await changeSigningKeys(db, clock.now(), (rows) => {
    const same = rows.filter((row) => row.algorithm === algorithm);
    if (atOnce) return { insert: [asRow(sealer, made, 'active')], remove: same.map(({ kid }) => kid) };
    const waiting = same.find((row) => row.state === 'next');
    if (waiting) found = { kid: waiting.kid, signsAt: waiting.changedAt + publishMs };
    return waiting ? {} : { insert: [asRow(sealer, made, 'next')] };
  });
  return found;
}

async function ensureActive({ db, sealer, clock, algorithm, given }: SigningKeysDeps): Promise<void> {
  const made = given === undefined ? undefined : await readGiven(given, algorithm);
  const rows = await listSigningKeys(db);
  const isActive = (row: Row) => row.state === 'active' && row.algorithm === algorithm;
  const isThere = (all: readonly Row[]) => all.some((row) => isActive(row) && (!made || row.kid === made.kid));
  if (isThere(rows)) return;
  const key = made ?? (await makeSigningKey(algorithm));
  await changeSigningKeys(db, clock.now(), (now) => {
    if (isThere(now)) return {};
    const retired = now.filter(isActive).map(({ kid }) => ({ kid, state: 'retired' as const }));
    if (now.some(({ kid }) => kid === key.kid)) return { states: [...retired, { kid: key.kid, state: 'active' }] };
    return { insert: [asRow(sealer, key, 'active')], states: retired };
  });
}

async function read(db: Db, sealer: Sealer, algorithm: SigningAlgorithm): Promise<readonly SigningKey[]> {
  const keys = (await listSigningKeys(db)).map((row): SigningKey => {
    const opened = sealer.open(placeOf(row.kid), row.sealed);
    if (opened === undefined) {
      throw settingError(
        'The signing keys in the database cannot be opened: ENCRYPTION_KEY is not the one they were made with. Set that one again (a demo has its own, in DATA_DIR/keys.json), or begin anew with another DATA_DIR or database',
      );
    }
    return { jwk: { ...JSON.parse(opened), kid: row.kid }, state: row.state, changedAt: row.changedAt };
  });
  const signs = (key: SigningKey) => key.state === 'active' && key.jwk.alg === algorithm;
  return [...keys.filter(signs), ...keys.filter((key) => !signs(key))];
}

const fingerprint = (keys: readonly SigningKey[]) => keys.map(({ jwk, state }) => `${jwk.kid} ${state}`).join();

type NamedJwk = JWK & { readonly kid: string };

function asRow(sealer: Sealer, jwk: NamedJwk, state: SigningKeyRow['state']) {
  const sealed = sealer.seal(placeOf(jwk.kid), JSON.stringify(jwk));
  return { kid: jwk.kid, algorithm: jwk.alg ?? '', sealed, state, publicJwk: publicHalf(jwk) };
}

export function publicHalf({ kty = '', kid, alg, use, n, e, crv, x, y }: JWK): JWK & { readonly kty: string } {
  const members = { kid, alg, use, n, e, crv, x, y };
  return { kty, ...Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) };
}

async function makeSigningKey(alg: SigningAlgorithm): Promise<NamedJwk> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 });
  return { ...(await exportJWK(privateKey)), kid: randomUUID(), alg, use: 'sig' };
}

/** Its id is its thumbprint (RFC 7638): the same key has the same id on every replica and after every start. */
async function readGiven(given: Secret, alg: SigningAlgorithm): Promise<NamedJwk> {
  try {
    const text = given.reveal();
    const key = createPrivateKey(text.includes('-----BEGIN') ? text : Buffer.from(text, 'base64'));
    const fits =
      alg === 'RS256'
        ? key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= 2048
        : key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
    if (!fits) throw new Error('of another type');
    const jwk = await exportJWK(key);
    return { ...jwk, kid: await calculateJwkThumbprint(publicHalf(jwk)), alg, use: 'sig' };
  } catch (cause) {
    const wanted = alg === 'RS256' ? 'an RSA key of at least 2048 bits' : 'an EC key on the curve P-256';
    throw settingError(
      `JWT_PRIVATE_KEY_B64 is not the base64 of a private key in PEM that can sign ${alg}: give it ${wanted}`,
      cause,
    );
  }
}
