/** One message to an upstream server, as the client that the gateway is there: credential, identity, breaker, timeouts. */
import type { Upstream, UpstreamCall } from '#adapters/upstream/upstream.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { pause } from '#core/pause.ts';
import type { Principal } from '#core/principal.ts';
import type { Secret } from '#core/secret.ts';
import type { Breakers } from '#gateway/breakers.ts';
import { reasonOf, verdictOf } from '#gateway/breakers.ts';
import type { Bulkheads } from '#gateway/bulkheads.ts';
import type { InUse } from '#gateway/health/health.ts';
import type { Repeats } from '#gateway/repeat.ts';
import type { Reach } from '#gateway/rights/reach.ts';
import { addAuthority, type TimeoutSettings, timeoutsFor } from '#gateway/transform.ts';
import { challengeField } from '#http/challenge.ts';
import type { Era } from '#mcp/versions.ts';
import {
  type Binding,
  type CredentialOpener,
  type CredentialRef,
  isOfCaller,
  lineOf,
  type OrganizationSnapshot,
  type ServerDefinition,
} from '#records/snapshot.ts';
import type { AccountHolder, AccountToken, UpstreamAccounts } from '#records/upstream-accounts.ts';
import { type Answered, exchange, WireError, type WireHandlers } from './wire.ts';

/** One server, as one principal reaches it through one binding. */
export interface Route {
  readonly organization: OrganizationSnapshot;
  readonly binding: Binding;
  readonly principal: Principal;
  /** What a trusted server hears of the caller's groups; undefined: nothing. */
  readonly reach?: Reach;
  /** The person's row; undefined: an API key or a program. */
  readonly userId?: string | undefined;
  /** The caller's token: for on-behalf-of at the identity provider that issued it, and only set for that. */
  readonly presented?: Secret | undefined;
  /** Of the caller's own there, by which a session was made: no other one goes on with it. */
  readonly account?: string | undefined;
  /** Of the request on whose behalf this goes out. */
  readonly requestId: string;
  readonly traceparent: string | undefined;
  /** Told which account of the caller's goes along. */
  readonly used?: (credential: string) => void;
}

export interface Outgoing {
  readonly method: 'POST' | 'GET' | 'DELETE';
  readonly era: Era;
  readonly message?: JsonObject;
  /** Beside the usual ones; lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly sessionId?: string | undefined;
  /** Milliseconds for the whole exchange, where it is not the method's usual time. */
  readonly totalMs?: number;
}

export interface Link {
  /** Rejects with WireError, or the signal's reason, or GatehouseError where nothing could be sent. */
  send(route: Route, outgoing: Outgoing, handlers: WireHandlers): Promise<Answered>;
  /**
   * The caller's own account there, by its id: whoever links another one meets no session of the former. undefined: the
   * server is not used with the caller's own. Throws as `send`.
   */
  accountOf(route: Route): Promise<string | undefined>;
  /**
   * Before a request that failed is sent anew: waits its turn, and says whether it may (`repeat.ts`). Rejects with the
   * signal's reason. `spentMs`: since it was sent first.
   */
  awaitRepeat(
    route: Route,
    method: string,
    waiting: { readonly spentMs: number; readonly signal: AbortSignal },
  ): Promise<boolean>;
  /** Milliseconds that a request may take. */
  totalMs(route: Route, method: string, tool?: string): number;
}

export interface LinkDeps {
  readonly upstreams: { get(server: ServerDefinition, org?: OrgId): Upstream };
  readonly credentials: CredentialOpener;
  /** Undefined: nobody has an account of their own anywhere. */
  readonly accounts?: UpstreamAccounts | undefined;
  readonly breakers: Pick<Breakers, 'admit' | 'report'>;
  readonly bulkheads: Pick<Bulkheads, 'enter'>;
  /** Undefined: nothing is sent twice. */
  readonly repeats?: Repeats;
  /** Hears which servers are in use. */
  readonly health?: Pick<InUse, 'note'>;
  readonly timeouts: TimeoutSettings;
}

const MAX_RETRY_AFTER_SECONDS = 300;

export function openLink(deps: LinkDeps): Link {
  const openCredential = ({ credential }: Binding): Secret | undefined | Promise<Secret> =>
    credential ? (deps.credentials.find(credential) ?? deps.credentials.open(credential)) : undefined;

  async function sendWith(credential: Secret | undefined, sending: Sending): Promise<Answered> {
    const { route, outgoing, handlers } = sending;
    const { binding, organization } = route;
    deps.health?.note(organization, binding);
    deps.repeats?.note(lineOf(binding.server));
    const asking = {
      pass: deps.breakers.admit(organization.id, lineOf(binding.server)),
      org: organization.id,
      server: lineOf(binding.server),
    };
    let status = 0;
    try {
      const call = callOf(route, outgoing, { credential, timeouts: deps.timeouts });
      const answered = await exchange(deps.upstreams.get(binding.server, organization.id), call, {
        ...handlers,
        secret: credential,
        onHead(code, headers) {
          status = code;
          // A stream that waits for events says by its head that the server is there.
          if (call.timeouts.totalMs === 0)
            deps.breakers.report(asking, verdictOf({ status, open: true, error: undefined }));
          handlers.onHead?.(code, headers);
        },
      });
      deps.breakers.report(
        asking,
        verdictOf({ status: answered.status, open: false, error: undefined }),
        answered.status,
      );
      return answered;
    } catch (reason) {
      const thrown = asTimeout(reason);
      const error =
        thrown instanceof WireError ? thrown.error : thrown instanceof GatehouseError ? thrown : 'client_gone';
      deps.breakers.report(asking, verdictOf({ status, open: false, error }), reasonOf({ status, open: false, error }));
      throw thrown;
    }
  }

  /** With the caller's own account. A refused token is renewed once: the server did nothing for it (RFC 6750 3.1). */
  async function sendAsCaller(sending: Sending): Promise<Answered> {
    const { accounts } = deps;
    if (!accounts) throw new GatehouseError('credential_unavailable');
    const holder = holderOf(sending.route);
    const token = await accounts.open(holder);
    const sendBy = async ({ ref, secret }: AccountToken) => {
      const { account, used } = sending.route;
      // Another one was linked meanwhile: the session stays behind, and the next request makes a new one.
      if (account !== undefined && account !== ref.id) throw new GatehouseError('upstream_broken');
      used?.(ref.id);
      const answered = await sendWith(secret, withCredential(sending, ref));
      const scopes = missingScopes(answered);
      const wanted = scopes && (await accounts.stepUp(holder, scopes));
      if (wanted) throw wanted;
      return answered;
    };
    try {
      return await sendBy(token);
    } catch (thrown) {
      const isRefused = thrown instanceof WireError && thrown.error.code === 'upstream_refused';
      if (!isRefused) throw thrown;
      return sendBy(await accounts.renew(holder, token));
    }
  }

  async function deliver(sending: Sending): Promise<Answered> {
    const { binding } = sending.route;
    const answered = await (isOfCaller(binding)
      ? sendAsCaller(sending)
      : sendWith(await openCredential(binding), sending));
    const busy = busyIn(answered);
    if (busy) throw new WireError(busy, true);
    return answered;
  }

  return {
    async accountOf(route) {
      if (!isOfCaller(route.binding) || !deps.accounts) return undefined;
      return (await deps.accounts.open(holderOf(route))).ref.id;
    },
    async awaitRepeat({ binding }, method, { spentMs, signal }) {
      const { totalMs } = timeoutsFor(method, binding, deps.timeouts);
      const pauseMs = deps.repeats?.take(lineOf(binding.server), { spentMs, totalMs });
      if (pauseMs === undefined) return false;
      await pause(pauseMs, signal);
      return true;
    },
    totalMs: ({ binding }, method, tool) => timeoutsFor(method, binding, deps.timeouts, tool).totalMs,
    async send(route, outgoing, handlers) {
      const { organization, binding } = route;
      const sending = { route, outgoing, handlers };
      // Answers and notifications are part of what has a place already: they must get through.
      const isRequest = outgoing.message?.method !== undefined && outgoing.message.id !== undefined;
      if (!isRequest || outgoing.message?.method === 'subscriptions/listen') return deliver(sending);
      const leave = await deps.bulkheads.enter(organization.id, binding.server.id);
      try {
        return await deliver(sending);
      } finally {
        leave();
      }
    },
  };
}

interface Sending {
  readonly route: Route;
  readonly outgoing: Outgoing;
  readonly handlers: WireHandlers;
}

export function holderOf({ organization, principal, userId, presented, binding }: Route): AccountHolder {
  return { organization, principal, userId, presented, server: binding.server };
}

function withCredential({ route, ...sending }: Sending, credential: CredentialRef): Sending {
  return { ...sending, route: { ...route, binding: { ...route.binding, credential } } };
}

/** It wants to be left alone for a while: that goes to the caller as it is, and nothing is sent again (SECURITY R12). */
function busyIn({ status, headers }: Answered): GatehouseError | undefined {
  const seconds = Number(headers['retry-after']);
  if ((status !== 429 && status !== 503) || !(seconds > 0)) return undefined;
  const retryAfterSeconds = Math.ceil(Math.min(seconds, MAX_RETRY_AFTER_SECONDS));
  return new GatehouseError('upstream_busy', { retryAfterSeconds, limit: `server: status ${status}` });
}

/** undefined: that is not what it says. */
function missingScopes({ status, headers }: Answered): readonly string[] | undefined {
  const challenge = headers['www-authenticate'];
  if (status !== 403 || typeof challenge !== 'string') return undefined;
  if (challengeField(challenge, 'error') !== 'insufficient_scope') return undefined;
  const scopes = (challengeField(challenge, 'scope') ?? '').split(' ').filter(Boolean);
  return scopes.length > 0 ? scopes.slice(0, 100) : undefined;
}

/** The gateway's own patience is over: that is the server's silence, not somebody's leaving. */
function asTimeout(thrown: unknown): unknown {
  const isTimeout = thrown instanceof DOMException && thrown.name === 'TimeoutError';
  return isTimeout ? new WireError(new GatehouseError('upstream_timeout', { cause: thrown }), true) : thrown;
}

function callOf(
  route: Route,
  outgoing: Outgoing,
  { credential, timeouts }: { readonly credential: Secret | undefined; readonly timeouts: TimeoutSettings },
): UpstreamCall {
  const { binding, organization, principal } = route;
  const { method, era, message, sessionId } = outgoing;
  const rpc = typeof message?.method === 'string' ? message.method : undefined;
  const headers: Record<string, string> = {
    accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream',
    'accept-encoding': 'identity',
    'user-agent': 'gatehouse',
    'x-request-id': route.requestId,
    ...(route.traceparent === undefined ? {} : { traceparent: route.traceparent }),
    ...(method === 'POST' ? { 'content-type': 'application/json' } : {}),
    ...(sessionId === undefined ? {} : { 'mcp-session-id': sessionId }),
    ...outgoing.headers,
  };
  addAuthority(headers, { principal, organization, binding, credential, ...(route.reach && { reach: route.reach }) });
  const tool = stringIn(objectIn(message, 'params'), 'name');
  const usual = timeoutsFor(method === 'GET' ? 'GET' : rpc, binding, timeouts, tool);
  const { totalMs = usual.totalMs } = outgoing;
  return {
    method,
    headers,
    body: message ? Buffer.from(JSON.stringify(message)) : undefined,
    rpcMethod: rpc,
    era,
    sessionId,
    principal: principal.key,
    org: organization.id,
    credential,
    credentialKey: binding.credential ? `${binding.credential.id}:${binding.credential.version}` : '',
    partition: binding.partition,
    timeouts:
      totalMs > 0
        ? { headersMs: Math.min(usual.headersMs, totalMs), idleMs: Math.min(usual.idleMs || totalMs, totalMs), totalMs }
        : usual,
  };
}
