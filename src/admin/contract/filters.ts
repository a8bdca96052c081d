/** Routes of the admin API about content filters. */
import { z } from 'zod';
import { collectionName, organizationRef, slug } from '#admin/nouns.ts';
import { listing } from './lists.ts';

const name = collectionName;
const looksAt = z.enum(['arguments', 'results', 'both']);
const action = z.enum(['block', 'redact', 'flag']);

export const filterNoun = z.object({
  name: z.string(),
  kind: z.string(),
  config: z.record(z.string(), z.unknown()),
  looksAt,
  action,
  server: z.string().nullable(),
  collection: z.string().nullable(),
});

const filters = listing(filterNoun, {
  id: ['name'],
  sort: ['name', 'kind'],
  search: ['name', 'kind', 'server', 'collection'],
});

export const filterRoutes = {
  listFilters: {
    method: 'GET',
    path: '/organizations/:organization/filters',
    summary: 'Content filters of an organization',
    permission: 'admin:filters:read',
    scope: 'organization',
    audit: 'filter.list',
    status: 200,
    input: z.strictObject({ organization: organizationRef, ...filters.input }),
    output: filters.output,
    list: filters.list,
  },
  setFilter: {
    method: 'POST',
    path: '/organizations/:organization/filters',
    summary: 'Look for something in arguments and results of all, of a server or of a collection',
    permission: 'admin:filters:write',
    scope: 'organization',
    audit: 'filter.set',
    status: 200,
    input: z
      .strictObject({
        organization: organizationRef,
        name,
        kind: z.string().min(1).max(64),
        config: z.record(z.string(), z.unknown()).default({}),
        looksAt: looksAt.default('both'),
        action,
        server: slug.optional(),
        collection: collectionName.optional(),
      })
      .refine(({ server, collection }) => server === undefined || collection === undefined, {
        error: 'a filter is of a server or of a collection',
      }),
    output: filterNoun,
  },
  removeFilter: {
    method: 'DELETE',
    path: '/organizations/:organization/filters/:name',
    summary: 'Remove a content filter',
    permission: 'admin:filters:write',
    scope: 'organization',
    audit: 'filter.remove',
    status: 200,
    input: z.strictObject({ organization: organizationRef, name }),
    output: filterNoun,
  },
} as const;
