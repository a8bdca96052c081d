/** Linking and unlinking somebody's account at an upstream server: the gateway as an OAuth client (MCP authorization, RFC 9700). */
import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  randomPKCECodeVerifier,
  tokenRevocation,
} from 'openid-client';
import type { Clock } from '#core/clock.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import type { ServerTransport } from '#core/transport.ts';
import type { Db } from '#db/schema.ts';
import {
  type AccountPlace,
  accountPlace,
  type ConnectedAccount,
  findConnectedAccount,
  listConnectedAccounts,
  newAccountId,
  putConnectedAccount,
  removeConnectedAccount,
} from '#records/connected-accounts.ts';
import type { ConnectedAuth } from '#records/server-auth.ts';
import type { OrganizationSnapshot, ServerDefinition } from '#records/snapshot.ts';
import { type Attempt, openAttempts } from './attempts.ts';
import { callbackPath, type ForeignClients, type ForeignClientsDeps } from './foreign-clients.ts';
import { checkPlace, type ForeignServers, type Guard } from './foreign-servers.ts';
import { obtainedFrom, readKept, reasonOf, safely, writeKept } from './token-requests.ts';

/** A server that somebody may use, and whose accounts are theirs to link. */
export interface Linkable {
  readonly organization: Pick<OrganizationSnapshot, 'id' | 'slug' | 'name'>;
  readonly server: ServerDefinition;
}

export interface ConnectionsDeps extends ForeignClientsDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
  readonly servers: ForeignServers;
  readonly clients: ForeignClients;
}

export interface Begun {
  /** Where the browser goes on. */
  readonly url: string;
  readonly cookie: string;
}

export type Finished = 'connected' | 'refused' | 'unusable';

export interface Connections {
  find(user: string, target: Linkable): Promise<ConnectedAccount | undefined>;
  /** Of all servers of the organization. */
  list(user: string, target: Pick<Linkable, 'organization'>): Promise<readonly ConnectedAccount[]>;
  /** Host of the authorization server, for the person to read. Throws `identity_unavailable`. */
  hostOf(target: Linkable): Promise<string>;
  /** Throws `identity_unavailable`. */
  begin(user: string, target: Linkable): Promise<Begun>;
  /** undefined: not begun in this browser, or too long ago. `cookie` removes the browser's part. */
  take(callback: URL, cookies: string | undefined): Promise<{ readonly attempt?: Attempt; readonly cookie?: string }>;
  finish(callback: URL, attempt: Attempt, target: Linkable): Promise<Finished>;
  /** The tokens are given back where that is possible. The one that there was. */
  remove(user: string, target: Linkable): Promise<ConnectedAccount | undefined>;
}

export function openConnections(deps: ConnectionsDeps): Connections {
  const { db, clock, log, servers, clients, baseUrl, vault } = deps;
  const attempts = openAttempts({ ...deps, secure: baseUrl.startsWith('https:') });

  async function guardOf({ server }: Linkable): Promise<{ readonly guard: Guard; readonly auth: ConnectedAuth }> {
    const auth = authOf(server);
    return { auth, guard: await servers.find(urlOf(server.transport), auth) };
  }

  async function redeem(callback: URL, attempt: Attempt, { server }: Linkable): Promise<void> {
    const { org, user, issuer, clientId, scopes, resource } = attempt;
    const auth = authOf(server);
    const metadata = await servers.metadataOf(issuer, auth.preset);
    const configuration = await clients.find(org, auth, { metadata, clientId });
    const checks = { pkceCodeVerifier: attempt.verifier, expectedState: callback.searchParams.get('state') ?? '' };
    const parameters = resource === undefined ? undefined : { resource };
    // `iss` is compared here (RFC 9207): before any code or secret goes out.
    const answer = await authorizationCodeGrant(configuration, callback, checks, parameters);
    const { tokens, ...obtained } = obtainedFrom(answer, { scopes, resource }, clock.now());
    const id = newAccountId(clock.now());
    const sealed = await vault.seal(org, accountPlace(id), writeKept(tokens));
    await putConnectedAccount(db, { id, org, user, server: server.id, issuer, clientId, ...obtained, sealed });
  }

  async function revoke(account: ConnectedAccount, { server }: Linkable): Promise<void> {
    const metadata = await servers.metadataOf(account.issuer, authOf(server).preset);
    if (metadata.revocation_endpoint === undefined) return;
    const secret = await vault.open(account.org, accountPlace(account.id), account.sealed);
    const configuration = await clients.find(account.org, server.auth, { metadata, clientId: account.clientId });
    const { access, refresh } = readKept(secret);
    await tokenRevocation(configuration, refresh ?? access);
  }

  return {
    find: (user, target) => findConnectedAccount(db, placeOf(user, target)),
    list: (user, { organization }) => listConnectedAccounts(db, organization.id, { user }),
    async hostOf(target) {
      const { metadata } = (await guardOf(target)).guard;
      return new URL(metadata.authorization_endpoint ?? metadata.issuer).host;
    },
    async begin(user, target) {
      const { guard, auth } = await guardOf(target);
      const { metadata, preset, resource } = guard;
      const configuration = await clients.choose(target.organization.id, auth, metadata);
      const account = await findConnectedAccount(db, placeOf(user, target));
      const scopes = scopesFor(guard, account);
      const verifier = randomPKCECodeVerifier();
      const { client_id: clientId } = configuration.clientMetadata();
      const attempt: Attempt = {
        ...placeOf(user, target),
        ...{ issuer: metadata.issuer, clientId, verifier, resource, scopes: [...scopes] },
      };
      const { state, cookie } = await attempts.keep(attempt);
      const url = buildAuthorizationUrl(configuration, {
        ...preset?.parameters,
        redirect_uri: baseUrl + callbackPath,
        state,
        code_challenge: await calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        ...(scopes.length > 0 && { scope: scopes.join(' ') }),
        ...(resource !== undefined && { resource }),
      });
      checkPlace(url.href);
      return { url: url.href, cookie };
    },
    async take(callback, cookies) {
      const [state = '', ...more] = callback.searchParams.getAll('state');
      return more.length === 0 && state !== '' ? attempts.take(state, cookies) : {};
    },
    async finish(callback, attempt, target) {
      const about = { org: attempt.org, user: attempt.user, server: target.server.key, issuer: attempt.issuer };
      try {
        await redeem(callback, attempt, target);
        log.info({ event: 'account_connected', ...about }, 'accounts: somebody connected theirs');
        return 'connected';
      } catch (thrown) {
        if (asGatehouseError(thrown).code === 'storage_unavailable') throw thrown;
        const reason = reasonOf(thrown);
        log.warn(
          { event: 'account_not_connected', ...about, reason, err: safely(thrown) },
          'accounts: no token was given',
        );
        if (reason === 'invalid_client') await clients.forget(attempt.org, attempt.issuer);
        return reason === 'access_denied' ? 'refused' : 'unusable';
      }
    },
    async remove(user, target) {
      const account = await removeConnectedAccount(db, placeOf(user, target));
      if (!account) return undefined;
      log.info({ event: 'account_removed', ...placeOf(user, target) }, 'accounts: somebody disconnected theirs');
      await revoke(account, target).catch((error) =>
        log.info({ err: safely(error) }, 'accounts: tokens were not revoked'),
      );
      return account;
    },
  };
}

const placeOf = (user: string, { organization, server }: Linkable): AccountPlace => ({
  ...{ org: organization.id, user, server: server.id },
});

/** Throws `not_found` for a server without accounts. */
function authOf({ auth }: ServerDefinition): ConnectedAuth {
  if (auth?.kind !== 'connected') throw new GatehouseError('not_found');
  return auth;
}

function urlOf(transport: ServerTransport): string {
  return transport.kind === 'http' || transport.kind === 'sse' ? transport.url : '';
}

/** With what was granted before, and what the server missed since (RFC 6750 3.1). */
function scopesFor({ scopes, preset, metadata }: Guard, account: ConnectedAccount | undefined): readonly string[] {
  const before = account && account.missingScopes.length > 0 ? [...account.scopes, ...account.missingScopes] : [];
  const offline = metadata.scopes_supported?.includes('offline_access') ? ['offline_access'] : [];
  return [...new Set([...scopes, ...before, ...(preset?.scopes ?? []), ...offline])];
}
