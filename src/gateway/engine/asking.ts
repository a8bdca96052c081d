/** One request of a client in the engine's words: canonical, whichever era it came in. */
import type { JsonObject } from '#core/json.ts';
import type { Principal } from '#core/principal.ts';
import { Secret } from '#core/secret.ts';
import { type Received, requestIdOf } from '#gateway/call.ts';
import type { View } from '#gateway/catalog/view.ts';
import type { Route } from '#gateway/peers/link.ts';
import type { ClientFacts } from '#gateway/peers/peer.ts';
import type { Reach } from '#gateway/rights/reach.ts';
import type { Era } from '#mcp/versions.ts';
import type { Binding, OrganizationSnapshot } from '#records/snapshot.ts';

export interface Asking {
  readonly call: Received;
  readonly principal: Principal;
  readonly organization: OrganizationSnapshot;
  readonly view: View;
  readonly reach: Reach;
  readonly client: ClientFacts;
  readonly era: Era;
  /** The client's revision. */
  readonly version: string;
  /** A client of 2025-11-25 wants a task of this call. */
  readonly asksTask?: boolean | undefined;
  /** Digest of a legacy client's session, else ''. */
  readonly lane: string;
  readonly signal: AbortSignal;
  readonly notify: (method: string, params: JsonObject) => void;
  /** Undefined: questions come back as `input_required`. */
  readonly ask: ((method: string, params: JsonObject) => Promise<JsonObject>) | undefined;
}

export function routeTo(
  { call, organization, principal, reach }: Pick<Asking, 'call' | 'organization' | 'principal' | 'reach'>,
  binding: Binding,
): Route {
  call.credential = binding.credential?.id ?? call.credential;
  const { userId } = reach.holdings;
  const { headers } = call;
  const requestId = requestIdOf(call);
  const presented = presentedFor(binding, headers.authorization);
  const used = (credential: string) => {
    call.credential = credential;
  };
  return {
    organization,
    binding,
    principal,
    reach,
    userId,
    presented,
    requestId,
    used,
    traceparent: headers.traceparent,
  };
}

/** Where the person's own identity provider is asked for a token on their behalf, and nowhere else. */
function presentedFor({ credential, server }: Binding, authorization: string | undefined): Secret | undefined {
  const { auth } = server;
  if (credential || auth?.kind !== 'exchange' || auth.grant !== 'entra-obo') return undefined;
  const token = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
  return token === undefined ? undefined : new Secret(token);
}
