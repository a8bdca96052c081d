/** Room 2: who calls. Whoever isn't known is counted by address, and never hears what exists. */
import { asGatehouseError } from '#core/error.ts';
import { addressKey } from '#http/client-address.ts';
import { checkAudience } from './authorize.ts';
import type { Received } from './call.ts';
import { type Caller, checkApiKey, type Identifier } from './identify.ts';
import type { Limits } from './limits.ts';

export interface IdentifyDeps {
  readonly identifier: Identifier;
  readonly limits: Limits;
}

export interface Onwards<T> {
  readonly next: (found: T) => void;
  readonly fail: (thrown: unknown) => void;
}

/** At once where all is in memory. */
export function identifyCall(call: Received, deps: IdentifyDeps, { next, fail }: Onwards<Caller>): void {
  const refuseStranger = (thrown: unknown) => {
    const error = asGatehouseError(thrown);
    if (error.row.http !== 401) return fail(error);
    const counted = deps.limits.takeStranger(addressKey(call.address));
    if (counted instanceof Promise) counted.then(() => fail(error), fail);
    else fail(error);
  };
  const wish = { path: call.path, selector: call.headers.organization };
  let caller: Caller | Promise<Caller>;
  try {
    if (call.entrance.keysOnly) checkApiKey(call.headers);
    caller =
      recheckAt(call, deps.identifier) ??
      deps.identifier.identify(call.headers, {
        method: call.door?.facade?.method ?? call.req.method ?? '',
        url: publicUrl(call),
      });
    if (!(caller instanceof Promise)) checkAudience(caller, wish);
  } catch (thrown) {
    refuseStranger(thrown);
    return;
  }
  if (caller instanceof Promise) {
    const checked = caller.then((found) => {
      checkAudience(found, wish);
      return found;
    });
    checked.then(next, refuseStranger).catch(fail);
  } else next(caller);
}

/** Of somebody who was let in before, who is not asked for a proof of possession twice; undefined: a request of its own. */
export function recheckAt(
  { door, headers }: Pick<Received, 'door' | 'headers'>,
  identifier: Pick<Identifier, 'recheck'>,
): Promise<Caller> | undefined {
  if (door?.caller) return door.caller();
  return door?.isInner ? identifier.recheck(headers) : undefined;
}

/** As the client wrote it; the trailing slash is part of it. */
function publicUrl({ req, entrance }: Received): string {
  return `${entrance.baseUrl}${req.url ?? ''}`;
}
