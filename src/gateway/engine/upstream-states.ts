/**
 * A modern server's `requestState`, as its client may hold it: sealed, so that nobody but the one who was asked brings it
 * back, to the same server, with the same request (SECURITY C8). Many callers are one to the server: it can't tell.
 */
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { type Json, type JsonObject, parseJson } from '#core/json.ts';
import type { Sealer } from '#core/sealer.ts';
import { placeOf, type Stake } from './parked.ts';

export interface UpstreamStates {
  /** A result without state stays as it is. */
  wrap(stake: Stake, result: JsonObject): JsonObject;
  /** Params without state stay as they are. Throws GatehouseError `invalid_params` for a state that is not this one's. */
  unwrap(stake: Stake, params: JsonObject): JsonObject;
}

const PREFIX = 'gh2.';

export const wrongState = () =>
  new GatehouseError('invalid_params', { message: 'requestState is not of this request, or too old' });

/** `patienceMs`: how long a client may think. */
export function openUpstreamStates({
  sealer,
  clock,
  patienceMs,
}: {
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly patienceMs: number;
}): UpstreamStates {
  const placeFor = (stake: Stake) => `upstream ${placeOf(stake)}`;

  function open(stake: Stake, state: Json): Json {
    if (typeof state !== 'string' || !state.startsWith(PREFIX)) throw wrongState();
    const text = sealer.open(placeFor(stake), state.slice(PREFIX.length));
    const [expiresAt, inner] = text === undefined ? [] : asPair(parseJson(text));
    if (typeof expiresAt !== 'number' || expiresAt <= clock.now() || inner === undefined) throw wrongState();
    return inner;
  }

  return {
    wrap(stake, result) {
      const { requestState } = result;
      if (requestState === undefined || result.resultType !== 'input_required') return result;
      const sealed = sealer.seal(placeFor(stake), JSON.stringify([clock.now() + patienceMs, requestState]));
      return { ...result, requestState: PREFIX + sealed };
    },
    unwrap(stake, params) {
      const { requestState } = params;
      return requestState === undefined ? params : { ...params, requestState: open(stake, requestState) };
    },
  };
}

const asPair = (value: Json): readonly Json[] => (Array.isArray(value) ? value : []);
