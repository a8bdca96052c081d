/** Documents that imports are made of, fetched within the rules of egress: no redirect, public addresses, at most 1 MiB. */
import { GatehouseError } from '#core/error.ts';
import type { Egress } from '#http/egress.ts';

/** Rejects `bad_request` for an address that is not to be reached or does not answer with a document. */
export function documentFetcher({ fetch, guard }: Pick<Egress, 'fetch' | 'guard'>): (url: string) => Promise<string> {
  const refused = (message: string, cause?: unknown) => new GatehouseError('bad_request', { message, cause });
  return async (url) => {
    try {
      guard.checkUrl(url);
    } catch (cause) {
      throw refused('The address cannot be used: it must be https, and public', cause);
    }
    let status: number;
    try {
      const response = await fetch(url, { headers: { accept: 'application/json' } });
      status = response.status;
      if (response.ok) return await response.text();
      await response.body?.cancel();
    } catch (cause) {
      throw refused('The address does not answer, or with too much', cause);
    }
    throw refused(status === 404 ? 'There is nothing of this name' : `The address answers ${status}`);
  };
}
