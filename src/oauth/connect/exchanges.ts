/**
 * Tokens without a browser, where the server's authorization server trusts one that knows our people: token exchange
 * (RFC 8693) and identity assertions (ID-JAG) with an assertion of this gateway, on-behalf-of (Entra) with the token that
 * the caller brought from there. Kept in memory only: each replica asks for its own.
 */
import { LRUCache } from 'lru-cache';
import { type Configuration, genericGrantRequest } from 'openid-client';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { asCredentialId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { Principal } from '#core/principal.ts';
import { Secret } from '#core/secret.ts';
import type { NewIdJag } from '#oauth/grants/id-jag-mint.ts';
import { jwtBearer, tokenExchange } from '#oauth/program-clients.ts';
import type { AuditActor } from '#records/audit/event.ts';
import { isProgramClientId } from '#records/program-clients.ts';
import type { ExchangeAuth } from '#records/server-auth.ts';
import type { AccountHolder, AccountNeeded, AccountToken } from '#records/upstream-accounts.ts';
import type { RecordAccount } from './account-trail.ts';
import type { ForeignClients } from './foreign-clients.ts';
import type { ForeignServers } from './foreign-servers.ts';
import { isFinal, obtainedFrom, reasonOf, safely } from './token-requests.ts';

export interface ExchangesDeps {
  readonly servers: Pick<ForeignServers, 'metadataOf'>;
  readonly clients: Pick<ForeignClients, 'choose'>;
  /** The gateway's own word on who somebody is; undefined: it signs nobody in. */
  readonly mint: ((jag: NewIdJag) => Promise<string>) | undefined;
  /** Issuer of the tokens whose people the gateway may speak for. */
  readonly issuer: string;
  readonly record?: RecordAccount | undefined;
  readonly refuse: (holder: AccountHolder, reason: AccountNeeded['reason']) => Error;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Exchanges {
  /** Throws as `UpstreamAccounts.open`. */
  open(holder: AccountHolder, auth: ExchangeAuth): Promise<AccountToken>;
  renew(holder: AccountHolder, auth: ExchangeAuth, refused: AccountToken): Promise<AccountToken>;
}

interface Held {
  readonly token: AccountToken;
  /** Unix milliseconds. */
  readonly issuedAt: number;
  readonly until: number;
}

const UNKNOWN_LIFE_MS = 300_000;
const NEW_MS = 30_000;
/** A refusal is not asked for again within that. */
const REFUSED_MS = 10_000;

export function openExchanges(deps: ExchangesDeps): Exchanges {
  const { clock, log, record = async () => undefined } = deps;
  const held = new LRUCache<string, Held>({ max: 20_000 });
  const refused = new LRUCache<string, { readonly error: Error; readonly until: number }>({ max: 20_000 });
  const flights = new Map<string, Promise<Held>>();
  let versions = 0;

  async function assertionFor(holder: AccountHolder, auth: ExchangeAuth): Promise<string> {
    const { principal, presented } = holder;
    if (auth.grant === 'entra-obo') {
      if (!presented || principal.kind !== 'user') throw deps.refuse(holder, 'nobody');
      return presented.reveal();
    }
    const isPerson =
      principal.kind === 'user' && principal.issuer === deps.issuer && !isProgramClientId(principal.subject);
    if (!isPerson || !deps.mint) throw deps.refuse(holder, 'nobody');
    const { issuer: audience, clientId, resource, scopes } = auth;
    return deps.mint({
      subject: principal.subject,
      audience,
      clientId,
      resource,
      scope: scopes.join(' ') || undefined,
    });
  }

  async function exchange(holder: AccountHolder, auth: ExchangeAuth): Promise<Held> {
    const assertion = await assertionFor(holder, auth);
    const about = { org: holder.organization.id, server: holder.server.key, issuer: auth.issuer };
    const event = { ...about, whose: actorOf(holder.principal) };
    try {
      const metadata = await deps.servers.metadataOf(auth.issuer, undefined, 'tokens');
      const configuration = await deps.clients.choose(holder.organization.id, auth, metadata);
      const answer = await ask(configuration, auth, assertion);
      const before = { scopes: auth.scopes, resource: auth.resource };
      const { tokens, expiresAt = clock.now() + UNKNOWN_LIFE_MS } = obtainedFrom(answer, before, clock.now());
      const ref = {
        id: asCredentialId(`exchange-${holder.server.id}`),
        org: holder.organization.id,
        version: ++versions,
        header: { name: 'authorization', template: 'Bearer {}' },
      };
      await record({ ...event, action: 'account.exchanged' });
      const issuedAt = clock.now();
      const until = expiresAt - Math.min(300_000, (expiresAt - issuedAt) / 5);
      return { token: { ref, secret: new Secret(tokens.access) }, issuedAt, until };
    } catch (thrown) {
      log.warn(
        { event: 'account_not_exchanged', ...about, reason: reasonOf(thrown), err: safely(thrown) },
        'accounts: no token was given for somebody',
      );
      await record({
        ...{ ...event, action: 'account.exchanged', refused: 'credential_unavailable', reason: reasonOf(thrown) },
      });
      if (isFinal(thrown)) throw deps.refuse(holder, 'refused');
      throw new GatehouseError('credential_unavailable', { retryAfterSeconds: 5, cause: thrown });
    }
  }

  function open(holder: AccountHolder, auth: ExchangeAuth): Promise<Held> {
    const key = keyOf(holder, auth);
    const known = held.get(key);
    if (known && known.until > clock.now()) return Promise.resolve(known);
    const no = refused.get(key);
    if (no && no.until > clock.now()) return Promise.reject(no.error);
    const running = flights.get(key);
    if (running) return running;
    const started = exchange(holder, auth)
      .then(
        (fresh) => {
          held.set(key, fresh);
          return fresh;
        },
        (error) => {
          refused.set(key, { error, until: clock.now() + REFUSED_MS });
          throw error;
        },
      )
      .finally(() => flights.delete(key));
    flights.set(key, started);
    return started;
  }

  return {
    open: async (holder, auth) => (await open(holder, auth)).token,
    async renew(holder, auth, { ref }) {
      const key = keyOf(holder, auth);
      const known = held.get(key);
      if (known?.token.ref.version === ref.version) {
        if (clock.now() - known.issuedAt < NEW_MS) throw deps.refuse(holder, 'refused');
        held.delete(key);
      }
      return (await open(holder, auth)).token;
    },
  };
}

const actorOf = (principal: Principal): AuditActor =>
  principal.kind === 'api-key'
    ? { kind: 'api-key', subject: principal.keyId }
    : { kind: 'user', issuer: principal.issuer, subject: principal.subject, email: principal.email };

/** Injective. Everything that the token is made from, hence by whom and for whom it is good. */
const keyOf = ({ organization, principal, server }: AccountHolder, auth: ExchangeAuth): string =>
  JSON.stringify([organization.id, principal.key, server.id, auth]);

function ask(configuration: Configuration, auth: ExchangeAuth, assertion: string) {
  const { grant, audience, resource, scopes } = auth;
  const scope: Record<string, string> = scopes.length > 0 ? { scope: scopes.join(' ') } : {};
  const target = { ...scope, ...(resource !== undefined && { resource }) };
  if (grant === 'entra-obo')
    return genericGrantRequest(configuration, jwtBearer, { assertion, requested_token_use: 'on_behalf_of', ...scope });
  if (grant === 'id-jag') return genericGrantRequest(configuration, jwtBearer, { assertion, ...target });
  return genericGrantRequest(configuration, tokenExchange, {
    subject_token: assertion,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    ...target,
    ...(audience !== undefined && { audience }),
  });
}
