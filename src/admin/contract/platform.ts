/** The platform itself: its state, its organizations, its signing keys. */
import { z } from 'zod';
import type { AdminRoute } from '#admin/contract.ts';
import { organization, organizationRef, signingKey, slug, status, text } from '#admin/nouns.ts';
import { domainName } from '#admin/people-nouns.ts';
import { listing } from './lists.ts';

const organizations = listing(organization, {
  id: ['id'],
  sort: ['slug', 'name'],
  search: ['slug', 'name', 'externalId', 'domain'],
});

export const platformRoutes = {
  getStatus: {
    method: 'GET',
    path: '/status',
    summary: 'What this gateway is and how it is',
    permission: 'admin:status:read',
    scope: 'platform',
    audit: 'status.read',
    status: 200,
    input: z.strictObject({}),
    output: status,
  },
  listOrganizations: {
    method: 'GET',
    path: '/organizations',
    summary: 'Every organization',
    permission: 'admin:organizations:read',
    scope: 'platform',
    audit: 'organization.list',
    status: 200,
    input: z.strictObject({ ...organizations.input }),
    output: organizations.output,
    list: organizations.list,
  },
  createOrganization: {
    method: 'POST',
    path: '/organizations',
    summary: 'Make an organization',
    permission: 'admin:organizations:write',
    scope: 'platform',
    audit: 'organization.create',
    status: 201,
    input: z.strictObject({
      slug,
      name: text,
      externalId: organizationRef.optional(),
      domain: domainName.optional(),
    }),
    output: organization,
  },
  rotateSigningKey: {
    method: 'POST',
    path: '/signing-keys/rotate',
    summary: 'Make a new key that signs access tokens',
    permission: 'admin:signing:write',
    scope: 'platform',
    audit: 'signing.rotate',
    status: 201,
    freshSignIn: true,
    input: z.strictObject({
      /** The old ones are no longer to be trusted: what they signed is refused from now on. */
      atOnce: z.boolean().default(false),
    }),
    output: signingKey,
  },
} as const satisfies Record<string, AdminRoute>;
