/** A URL that somebody else than the operator enters: judged when it is saved, and again whenever it is connected to. */
import { GatehouseError } from '#core/error.ts';
import { type AddressGuard, asTarget, TargetRefused } from './address-guard.ts';

/**
 * The URL as it is to be stored. `{partition}` may stand in its path. Throws `bad_request`, the same whatever is wrong with
 * the address: refusals must not map the inside (SECURITY S5).
 */
export async function checkTarget(guard: AddressGuard, url: string): Promise<string> {
  const marker = 'gatehouse-partition';
  try {
    const parsed = guard.checkUrl(url.replaceAll('{partition}', marker));
    if (parsed.hash !== '' || parsed.host.includes(marker)) throw new TargetRefused('no place for that');
    await guard.resolve(asTarget(parsed));
    return parsed.href.replaceAll(marker, '{partition}');
  } catch (cause) {
    throw new GatehouseError('bad_request', {
      message:
        'The URL cannot be used: it must be https, without a user name, and its host known and on a public address; the operator opens others with `egress.allow`',
      cause,
    });
  }
}
