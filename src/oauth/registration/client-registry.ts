/** What registering, reading, changing and deleting a client means, and how many there may be. No HTTP. */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { errors, type ClientMetadata as LibraryMetadata } from 'oidc-provider';
import type { Limiter } from '#adapters/limiter/limiter.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import type { Sealer } from '#core/sealer.ts';
import type { Db } from '#db/schema.ts';
import { type AddressReader, addressKey } from '#http/client-address.ts';
import { digestOf } from '#oauth/record-store.ts';
import type { OauthSettings } from '#oauth/settings.ts';
import { type Client, findClient, insertClient, removeClient, updateClient } from '#records/clients.ts';
import { type ClientMetadata, forLibrary, parseClientMetadata } from './client-metadata.ts';
import { secretPlace } from './client-store.ts';
import { openPendingRoom, pendingMs } from './pending.ts';

export interface RegistrationDeps {
  readonly issuer: string;
  readonly settings: Pick<OauthSettings, 'registration' | 'clientSeconds'>;
  readonly db: Db;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly log: Log;
  readonly limiter: Limiter;
  readonly readAddress: AddressReader;
  readonly scopes: readonly string[];
  /** Absolute, of the management endpoint of a client. */
  readonly managementUrl: (clientId: string) => string;
  /** The library's opinion. Throws its InvalidClientMetadata. */
  readonly validate: (metadata: LibraryMetadata) => Promise<void>;
}

export interface From {
  readonly address: string;
  readonly forwardedFor: string | undefined;
}

type Answer = Readonly<Record<string, unknown>>;

export interface ClientRegistry {
  /** Throws the library's InvalidClientMetadata and InvalidRedirectUri, and `rate_limited`. */
  register(body: unknown, from: From): Promise<Answer>;
  /** Throws 401 without a token, 404 for an unknown client, 403 for a token that isn't this client's (which stays good where it belongs). */
  manage(id: string, token: string | undefined): Promise<ManagedClient>;
}

export interface ManagedClient {
  read(): Answer;
  change(body: unknown): Promise<Answer>;
  remove(): Promise<void>;
}

export function openClientRegistry(deps: RegistrationDeps): ClientRegistry {
  const { db, clock } = deps;
  const pending = openPendingRoom(deps);
  return {
    async register(body, { address, forwardedFor }) {
      const from = addressKey(deps.readAddress(address, forwardedFor));
      await takeQuota(deps, from);
      const metadata = parseClientMetadata(body, { scopes: deps.scopes, defaultAuthMethod: 'client_secret_basic' });
      const id = `client_${randomBytes(12).toString('base64url')}`;
      const secret = newSecret(metadata);
      await validate(deps, { id, metadata, secret });
      await pending.take();
      const token = `reg-${randomBytes(24).toString('base64url')}`;
      const now = clock.now();
      const client: Client = {
        id,
        metadata,
        secretSealed: secret === undefined ? undefined : deps.sealer.seal(secretPlace(id), secret),
        registrationDigest: digestOf(token),
        createdAt: now,
        updatedAt: now,
        signedInAt: undefined,
        expiresAt: expiryOf({ createdAt: now, updatedAt: now, signedInAt: undefined }, deps),
      };
      await insertClient(db, { ...client, registeredFrom: from });
      return answer(deps, client, { secret, token });
    },
    async manage(id, token) {
      if (token === undefined) throw refused(401, 'invalid_token', 'the registration access token is missing');
      const client = await findClient(db, id, clock.now());
      if (!client) throw refused(404, 'not_found', 'no such client');
      if (!isTokenOf(client, token)) throw refused(403, 'access_denied', 'not the registration token of this client');
      return manage(deps, client, token);
    },
  };
}

function manage(deps: RegistrationDeps, client: Client, token: string): ManagedClient {
  const { db, clock, sealer } = deps;
  const secret =
    client.secretSealed === undefined ? undefined : sealer.open(secretPlace(client.id), client.secretSealed);
  return {
    read: () => answer(deps, client, { secret, token }),
    async change(body) {
      checkSame(body, { client_id: client.id, client_secret: secret });
      const metadata = parseClientMetadata(completed(body, client.metadata), {
        scopes: deps.scopes,
        defaultAuthMethod: 'client_secret_basic',
      });
      const newest = needsSecret(metadata) ? (secret ?? newSecret(metadata)) : undefined;
      await validate(deps, { id: client.id, metadata, secret: newest });
      const updatedAt = clock.now();
      const changed: Client = {
        ...client,
        metadata,
        secretSealed: newest === undefined ? undefined : sealer.seal(secretPlace(client.id), newest),
        updatedAt,
        expiresAt: expiryOf({ ...client, updatedAt }, deps),
      };
      if (!(await updateClient(db, client.id, changed))) throw refused(404, 'not_found', 'no such client');
      return answer(deps, changed, { secret: newest, token });
    },
    async remove() {
      await removeClient(db, client.id);
    },
  };
}

async function takeQuota({ limiter, settings }: RegistrationDeps, from: string): Promise<void> {
  const limit = { points: settings.registration.perAddressPerHour, windowSeconds: 3600 };
  const { allowed, resetMs } = await limiter.take(`register ${from}`, limit);
  if (!allowed) throw new GatehouseError('rate_limited', { retryAfterSeconds: Math.ceil(resetMs / 1000) });
}

/** A day at most until somebody has signed in; then as long as settings say from the last change. Unix milliseconds. */
function expiryOf(
  { createdAt, updatedAt, signedInAt }: Pick<Client, 'createdAt' | 'updatedAt' | 'signedInAt'>,
  { settings: { clientSeconds } }: RegistrationDeps,
): number | undefined {
  const lapses = clientSeconds === 0 ? undefined : updatedAt + clientSeconds * 1000;
  if (signedInAt !== undefined) return lapses;
  return Math.min(createdAt + pendingMs, lapses ?? Number.POSITIVE_INFINITY);
}

const needsSecret = ({ token_endpoint_auth_method: method }: ClientMetadata) => method.startsWith('client_secret_');
const newSecret = (metadata: ClientMetadata) =>
  needsSecret(metadata) ? randomBytes(32).toString('base64url') : undefined;

function validate(
  deps: RegistrationDeps,
  {
    id,
    metadata,
    secret,
  }: { readonly id: string; readonly metadata: ClientMetadata; readonly secret?: string | undefined },
): Promise<void> {
  return deps.validate({
    ...forLibrary(metadata),
    client_id: id,
    ...(secret !== undefined && { client_secret: secret }),
  });
}

/** RFC 7591 3.2.1 and RFC 7592 3: what we keep, and how to manage it. The address is ours, whatever host was asked. */
function answer(
  { settings: { clientSeconds }, managementUrl }: RegistrationDeps,
  client: Client,
  { secret, token }: { readonly secret: string | undefined; readonly token: string },
): Answer {
  const expires = clientSeconds === 0 ? 0 : Math.floor(client.updatedAt / 1000) + clientSeconds;
  return {
    client_id: client.id,
    client_id_issued_at: Math.floor(client.createdAt / 1000),
    ...(secret !== undefined && { client_secret: secret, client_secret_expires_at: expires }),
    ...client.metadata,
    registration_access_token: token,
    registration_client_uri: managementUrl(client.id),
  };
}

function isTokenOf({ registrationDigest }: Client, token: string): boolean {
  return (
    registrationDigest !== undefined &&
    timingSafeEqual(Buffer.from(digestOf(token)), Buffer.from(registrationDigest.padEnd(43).slice(0, 43)))
  );
}

/** RFC 7592 2.2: an id or secret may be repeated, never changed. */
function checkSame(body: unknown, own: Readonly<Record<string, string | undefined>>): void {
  if (typeof body !== 'object' || body === null) return;
  const said = new Map<string, unknown>(Object.entries(body));
  const other = Object.entries(own).find(([name, value]) => said.has(name) && said.get(name) !== value);
  if (other) throw new errors.InvalidClientMetadata(`${other[0]} can't be changed`);
}

/**
 * With `redirect_uris` the body is the whole registration (RFC 7592 2.2: what it omits is deleted). Without, which the RFC
 * has no use for, it changes the fields it names and leaves the others, as clients of older gateways expect.
 */
function completed(body: unknown, before: Client['metadata']): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body) || 'redirect_uris' in body) return body;
  return { ...before, ...body };
}

function refused(status: number, error: string, description: string): errors.OIDCProviderError {
  const refusal = new errors.OIDCProviderError(status, error);
  return Object.assign(refusal, { error_description: description });
}
