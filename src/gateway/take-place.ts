/** What one call takes up at the server that it is passed on to: the limits of that server count it, and it has a place there. */
import type { OrgId, ServerId } from '#core/ids.ts';
import type { Bulkheads } from './bulkheads.ts';
import type { Call } from './call.ts';
import { type Asker, isCounted } from './limit-rules.ts';
import { type Held, joinHeld, type Limits } from './limits.ts';

export interface PlaceDeps {
  readonly limits: Pick<Limits, 'takeServer'>;
  readonly bulkheads: Bulkheads;
}

export interface PlaceWish {
  readonly asker: Asker & { readonly organization: { readonly id: OrgId } };
  readonly server: ServerId;
}

/** A value where nobody has to be waited for. Throws or rejects `rate_limited`, `too_many_calls`, `upstream_busy`. */
export function takePlace(call: Call, { asker, server }: PlaceWish, deps: PlaceDeps): void | Promise<void> {
  const { message } = call;
  const enterServer = (): void | Promise<void> => {
    if (message?.kind !== 'request' || message.method === 'subscriptions/listen') return;
    const place = deps.bulkheads.enter(asker.organization.id, server);
    if (place instanceof Promise) {
      return place.then((leave) => {
        call.place = leave;
      });
    }
    call.place = place;
  };
  if (!isCounted(message?.method)) return enterServer();
  const tool = message?.method === 'tools/call' ? message.name : undefined;
  const held = countOnce(call, { asker, server, tool }, deps.limits);
  return held instanceof Promise ? held.then(enterServer) : enterServer();
}

interface Counting extends PlaceWish {
  /** The server's own name of it. */
  readonly tool: string | undefined;
}

/** One message is one call, however often the server has to be asked for it. */
export function countOnce(
  call: Call,
  { asker, server, tool }: Counting,
  limits: PlaceDeps['limits'],
): void | Promise<void> {
  if (call.counted || asker.organization.limits.length === 0) return;
  call.counted = true;
  const keep = (held: Held) => {
    call.release = joinHeld(call.release, held);
    if (call.accounted) releaseAll(call);
  };
  const held = limits.takeServer(asker, { server, tool });
  return held instanceof Promise ? held.then(keep) : keep(held);
}

/** It was over before it had all of them. */
export function releaseAll(call: Call): void {
  call.release?.();
  call.place?.();
}
