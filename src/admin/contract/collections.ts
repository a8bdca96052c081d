/** Collections of an organization. */
import { z } from 'zod';
import type { AdminRoute } from '#admin/contract.ts';
import {
  bindingInput,
  bindingsOf,
  collection,
  collectionName,
  listingInput,
  organizationRef,
  rolesOrAll,
} from '#admin/nouns.ts';
import { listing } from './lists.ts';

const org = { organization: organizationRef };
const collections = listing(collection, { id: ['id'], sort: ['name'], search: ['name'] });

export const collectionRoutes = {
  listCollections: {
    method: 'GET',
    path: '/organizations/:organization/collections',
    summary: 'Collections of an organization',
    permission: 'admin:collections:read',
    scope: 'organization',
    audit: 'collection.list',
    status: 200,
    input: z.strictObject({ ...org, ...collections.input }),
    output: collections.output,
    list: collections.list,
  },
  getCollection: {
    method: 'GET',
    path: '/organizations/:organization/collections/:name',
    summary: 'One collection of an organization',
    permission: 'admin:collections:read',
    scope: 'organization',
    audit: 'collection.read',
    status: 200,
    input: z.strictObject({ ...org, name: collectionName }),
    output: collection,
  },
  createCollection: {
    method: 'POST',
    path: '/organizations/:organization/collections',
    summary: 'Publish a collection',
    permission: 'admin:collections:write',
    scope: 'organization',
    audit: 'collection.create',
    status: 201,
    input: z.strictObject({
      ...org,
      name: collectionName,
      allowedRoles: rolesOrAll,
      ...listingInput,
      bindings: bindingsOf(bindingInput),
    }),
    output: collection,
  },
} as const satisfies Record<string, AdminRoute>;
