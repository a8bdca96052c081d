/** What every list has in common: how it is paged, ordered and searched. */
import { z } from 'zod';

export interface ListRule {
  /** Fields that tell its items apart. */
  readonly id: readonly string[];
  /** Fields that it may be ordered by. */
  readonly sort: readonly string[];
  /** Fields that `search` looks into. */
  readonly search: readonly string[];
}

const defaultLimit = 100;
const mostOfPage = 1000;

/** A flag of a query. */
export const flag = z.enum(['true', 'false']);

/** Input, output and `list` of a route that lists these items. */
export function listing<T extends z.ZodType, const S extends string>(
  item: T,
  {
    id,
    sort,
    search = [],
  }: { readonly id: readonly string[]; readonly sort: readonly S[]; readonly search?: readonly string[] },
) {
  const orders = sort.flatMap((name): (S | `-${S}`)[] => [name, `-${name}`]);
  return {
    input: {
      limit: z.coerce.number().int().min(1).max(mostOfPage).default(defaultLimit).describe('Items of a page.'),
      cursor: z.string().min(1).max(4096).optional().describe('`next` of the page before, everything else the same.'),
      sort: z.enum(orders).optional().describe('Order; `-` before it: descending.'),
      search: z.string().trim().max(128).optional().describe('Part of what is shown, without case.'),
    },
    output: z.object({ items: z.array(item), next: z.string().nullable().describe('null: there is no more.') }),
    list: { id, sort, search } satisfies ListRule,
  };
}
