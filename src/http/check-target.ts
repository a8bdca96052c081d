/** A URL that somebody else than the operator enters: judged when it is saved, and again whenever it is connected to. */
import { GatehouseError } from '#core/error.ts';
import { type AddressGuard, asTarget, TargetRefused } from './address-guard.ts';

const marker = 'gatehouse-partition';

/**
 * The URL as it is to be stored. `{partition}` may stand in its path. Throws `bad_request`, the same whatever is wrong with
 * the address: refusals must not map the inside (SECURITY S5).
 */
export async function checkTarget(guard: AddressGuard, url: string): Promise<string> {
  return orRefused(async () => {
    const parsed = written(guard, url);
    await guard.resolve(asTarget(parsed));
    return asStored(parsed);
  });
}

/** As `checkTarget`, and no name is looked up: where it leads is judged when it is connected to. */
export const checkWritten = (guard: AddressGuard, url: string): Promise<string> =>
  orRefused(async () => asStored(written(guard, url)));

const asStored = ({ href }: URL) => href.replaceAll(marker, '{partition}');

function written(guard: AddressGuard, url: string): URL {
  const parsed = guard.checkUrl(url.replaceAll('{partition}', marker));
  if (parsed.hash !== '' || parsed.host.includes(marker)) throw new TargetRefused('no place for that');
  return parsed;
}

async function orRefused(work: () => Promise<string>): Promise<string> {
  try {
    return await work();
  } catch (cause) {
    throw new GatehouseError('bad_request', {
      message:
        'The URL cannot be used: it must be https, without a user name, and its host known and on a public address; the operator opens others with `egress.allow`',
      cause,
    });
  }
}
