/**
 * What a modern client carries between two rounds of a request (MCP 2026-07-28, multi round-trip requests): sealed, good
 * for the same request of the same principal at the same endpoint and server only, and not for long (SECURITY C8). Calls
 * that wait on a replica have their own, `parked.ts`.
 */
import { hash } from 'node:crypto';
import type { Clock } from '#core/clock.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '#core/json.ts';
import type { Sealer } from '#core/sealer.ts';

/** Whose call, and of which request: the state is good for nothing else. */
export interface Stake {
  readonly org: string;
  readonly endpoint: string;
  readonly binding: string;
  readonly principal: string;
  readonly method: string;
  /** Params as the client said them; without `_meta`, `inputResponses` and `requestState` they are what is bound. */
  readonly params: JsonObject;
}

/** `server`: its own state, whatever is in it. `again`: the server wants to be called anew once the client has answered. */
export type Carried = { readonly kind: 'server'; readonly state: string } | { readonly kind: 'again' };

export interface RequestStates {
  seal(stake: Stake, carried: Carried): string;
  /** Undefined: forged, of another request or principal, or too old. */
  open(stake: Stake, requestState: string): Carried | undefined;
}

export interface RequestStatesDeps {
  readonly sealer: Sealer;
  readonly clock: Clock;
  /** Milliseconds that a state is good for. */
  readonly patienceMs: number;
}

const PREFIX = 'gh2.';

export function openRequestStates({ sealer, clock, patienceMs }: RequestStatesDeps): RequestStates {
  return {
    seal(stake, carried) {
      const until = clock.now() + patienceMs;
      return PREFIX + sealer.seal(placeOf('carried', stake), JSON.stringify({ ...carried, until }));
    },
    open(stake, requestState) {
      if (!requestState.startsWith(PREFIX)) return undefined;
      const text = sealer.open(placeOf('carried', stake), requestState.slice(PREFIX.length));
      if (text === undefined) return undefined;
      const { kind, state, until } = parseJsonObject(text);
      if (typeof until !== 'number' || until <= clock.now()) return undefined;
      if (kind === 'again') return { kind };
      return kind === 'server' && typeof state === 'string' ? { kind, state } : undefined;
    },
  };
}

/** Injective: JSON of strings. */
export function placeOf(what: string, { org, endpoint, binding, principal, method, params }: Stake): string {
  return JSON.stringify([what, org, endpoint, binding, principal, method, digestOf(params)]);
}

export function digestOf(params: JsonObject): string {
  const { _meta, inputResponses, requestState, ...rest } = params;
  return hash('sha256', JSON.stringify(sorted(rest)), 'base64url');
}

/** Key order is no difference. Own keys only, whatever they are called. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isJsonObject(value)) return value;
  return Object.keys(value)
    .sort()
    .map((key) => [key, sorted(value[key])]);
}
