/** One message to an upstream server, as the client that the gateway is there: credential, identity, breaker, timeouts. */
import type { Upstream, UpstreamCall } from '#adapters/upstream/upstream.ts';
import { GatehouseError } from '#core/error.ts';
import type { JsonObject } from '#core/json.ts';
import type { Principal } from '#core/principal.ts';
import type { Secret } from '#core/secret.ts';
import type { Breakers } from '#gateway/breakers.ts';
import { verdictOf } from '#gateway/breakers.ts';
import type { Bulkheads } from '#gateway/bulkheads.ts';
import { addAuthority, type TimeoutSettings, timeoutsFor } from '#gateway/transform.ts';
import type { Era } from '#mcp/versions.ts';
import type { Binding, CredentialOpener, OrganizationSnapshot, ServerDefinition } from '#records/snapshot.ts';
import { type Answered, exchange, WireError, type WireHandlers } from './wire.ts';

/** One server, as one principal reaches it through one binding. */
export interface Route {
  readonly organization: OrganizationSnapshot;
  readonly binding: Binding;
  readonly principal: Principal;
  /** Of the request on whose behalf this goes out. */
  readonly requestId: string;
  readonly traceparent: string | undefined;
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
  /** Milliseconds that a request may take. */
  totalMs(route: Route, method: string): number;
}

export interface LinkDeps {
  readonly upstreams: { get(server: ServerDefinition): Upstream };
  readonly credentials: CredentialOpener;
  readonly breakers: Breakers;
  readonly bulkheads: Bulkheads;
  readonly timeouts: TimeoutSettings;
}

export function openLink(deps: LinkDeps): Link {
  const openCredential = ({ credential }: Binding): Secret | undefined | Promise<Secret> =>
    credential ? (deps.credentials.find(credential) ?? deps.credentials.open(credential)) : undefined;

  return {
    totalMs: ({ binding }, method) => timeoutsFor(method, binding, deps.timeouts).totalMs,
    async send(route, outgoing, handlers) {
      const { organization, binding } = route;
      // Answers and notifications are part of what has a place already: they must get through.
      const isRequest = outgoing.message?.method !== undefined && outgoing.message.id !== undefined;
      if (!isRequest || outgoing.message?.method === 'subscriptions/listen') return deliver(route, outgoing, handlers);
      const leave = await deps.bulkheads.enter(organization.id, binding.server.id);
      try {
        return await deliver(route, outgoing, handlers);
      } finally {
        leave();
      }
    },
  };

  async function deliver(route: Route, outgoing: Outgoing, handlers: WireHandlers): Promise<Answered> {
    const { binding, organization } = route;
    const credential = await openCredential(binding);
    const asking = {
      pass: deps.breakers.admit(organization.id, binding.server.id),
      org: organization.id,
      server: binding.server.id,
    };
    let status = 0;
    try {
      const call = callOf(route, outgoing, { credential, timeouts: deps.timeouts });
      const answered = await exchange(deps.upstreams.get(binding.server), call, {
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
      deps.breakers.report(asking, verdictOf({ status: answered.status, open: false, error: undefined }));
      return answered;
    } catch (reason) {
      const thrown = asTimeout(reason);
      const error =
        thrown instanceof WireError ? thrown.error : thrown instanceof GatehouseError ? thrown : 'client_gone';
      deps.breakers.report(asking, verdictOf({ status, open: false, error }));
      throw thrown;
    }
  }
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
  addAuthority(headers, { principal, organization, binding, credential });
  const usual = timeoutsFor(method === 'GET' ? 'GET' : rpc, binding, timeouts);
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
