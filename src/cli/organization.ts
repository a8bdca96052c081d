import { GatehouseError } from '#core/error.ts';
import type { Connection } from './connection.ts';
import { UsageError } from './io.ts';

/** The one named, else the demo, else the only one there is. */
export async function chooseOrganization(connection: Connection, named: string | undefined): Promise<string> {
  if (named !== undefined) {
    if (/^[A-Za-z0-9_-]{1,128}$/.test(named)) return named;
    throw new UsageError('--org must be a slug or an id: list them with `gatehouse org list`');
  }
  const items = await organizationsOf(connection);
  const [first] = items;
  if (!first) throw new UsageError('There is no organization yet: make one with `gatehouse org create SLUG`');
  if (items.length === 1 || items.some(({ slug }) => slug === 'demo')) return items.length === 1 ? first.slug : 'demo';
  throw new UsageError(`Say which organization: --org ${items.map(({ slug }) => slug).join(' | ')}`);
}

/** All of them, or for whoever administers only some, theirs. */
async function organizationsOf(connection: Connection): Promise<readonly { readonly slug: string }[]> {
  try {
    return await connection.list('listOrganizations', {});
  } catch (thrown) {
    if (!(thrown instanceof GatehouseError) || thrown.code !== 'forbidden' || !connection.whoAmI) throw thrown;
    const { organizations } = await connection.whoAmI();
    const own = organizations.filter(({ isAdministrator }) => isAdministrator);
    if (own.length === 0) throw thrown;
    return own;
  }
}
