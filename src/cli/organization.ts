import type { Connection } from './connection.ts';
import { UsageError } from './io.ts';

/** The one named, else the demo, else the only one there is. */
export async function chooseOrganization(connection: Connection, named: string | undefined): Promise<string> {
  if (named !== undefined) {
    if (/^[A-Za-z0-9_-]{1,128}$/.test(named)) return named;
    throw new UsageError('--org must be a slug or an id: list them with `gatehouse org list`');
  }
  const items = await connection.list('listOrganizations', {});
  const [first] = items;
  if (!first) throw new UsageError('There is no organization yet: make one with `gatehouse org create SLUG`');
  if (items.length === 1 || items.some(({ slug }) => slug === 'demo')) return items.length === 1 ? first.slug : 'demo';
  throw new UsageError(`Say which organization: --org ${items.map(({ slug }) => slug).join(' | ')}`);
}
