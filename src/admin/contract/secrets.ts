/** Routes of the admin API about the keys that seal: their state, their rotation, and the end of an organization's. */
import { z } from 'zod';
import { organizationRef } from '#admin/nouns.ts';

const secretsOf = z.object({
  organization: z.string(),
  keys: z.array(z.object({ dekId: z.string(), kekId: z.string(), state: z.enum(['active', 'retired']) })),
  fields: z.int(),
  /** Sealed with a data key that no longer seals, or in an older format. */
  staleFields: z.int(),
  /** Data keys wrapped by another key-encryption key than the one in use. */
  staleKeys: z.int(),
});

export const secretsRoutes = {
  getSecrets: {
    method: 'GET',
    path: '/secrets',
    summary: 'Which keys seal what, and what is left of older ones',
    permission: 'admin:secrets:read',
    scope: 'platform',
    audit: 'secrets.read',
    status: 200,
    input: z.strictObject({ organization: organizationRef.optional() }),
    output: z.object({
      kekId: z.string(),
      items: z.array(secretsOf),
      /** What the root secret seals: variables of servers, signing keys, secrets of clients. */
      own: z.object({ fields: z.int(), staleFields: z.int() }),
    }),
  },
  rotateSecrets: {
    method: 'POST',
    path: '/secrets/rotate',
    summary: 'Rotate keys while calls run: data keys wrapped anew, new data keys, fields sealed anew',
    permission: 'admin:secrets:write',
    scope: 'platform',
    audit: 'secrets.rotate',
    status: 200,
    input: z.strictObject({
      /** kek: wrap data keys with the key in use. dek: new data keys. fields: finish what an earlier one left. */
      level: z.enum(['kek', 'dek', 'fields', 'all']).default('all'),
      organization: organizationRef.optional(),
    }),
    output: z.object({ organizations: z.int(), rewrapped: z.int(), removed: z.int(), resealed: z.int() }),
  },
  shredOrganization: {
    method: 'POST',
    path: '/organizations/:organization/shred',
    summary: 'End an organization and destroy its keys: nothing that was sealed for it opens again',
    permission: 'admin:secrets:write',
    scope: 'platform',
    audit: 'organization.shred',
    status: 200,
    freshSignIn: true,
    input: z.strictObject({
      organization: organizationRef,
      /** Its slug once more: there is no way back. */
      confirm: z.string(),
    }),
    output: z.object({ organization: z.string() }),
  },
} as const;
