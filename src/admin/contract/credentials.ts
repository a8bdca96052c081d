/** Routes of the admin API about credentials and addresses of servers by group: values go in and never come back. */
import { z } from 'zod';
import { bindingInput, organizationRef, slug, text } from '#admin/nouns.ts';
import { listing } from './lists.ts';

const group = z
  .string()
  .regex(/^[A-Za-z0-9-]{1,128}$/, 'must be the name of a group')
  .describe('Name of the group; left out: of whoever no group decides for.');
const keyName = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{0,128}$/, 'must be letters, digits, "_", "." and "-"')
  .default('')
  .describe('Which of several credentials it is: the one that the server asks for is used.');
const place = { organization: organizationRef, server: slug, group: group.optional(), keyName };

export const credentialNoun = z.object({
  server: z.string(),
  group: z.string().nullable(),
  keyName: z.string(),
  /** A credential is kept: its value never comes back. */
  configured: z.boolean(),
  header: z.string().nullable(),
  url: z.string().nullable(),
  updatedAt: z.iso.datetime(),
});

const credentials = listing(credentialNoun, {
  id: ['server', 'group', 'keyName'],
  sort: ['server', 'group', 'updatedAt'],
  search: ['server', 'group', 'keyName', 'url'],
});

export const credentialRoutes = {
  listCredentials: {
    method: 'GET',
    path: '/organizations/:organization/credentials',
    summary: 'Credentials and addresses of servers by group, without the credentials themselves',
    permission: 'admin:credentials:read',
    scope: 'organization',
    audit: 'credential.list',
    status: 200,
    input: z.strictObject({ organization: organizationRef, server: slug.optional(), ...credentials.input }),
    output: credentials.output,
    list: credentials.list,
  },
  setCredential: {
    method: 'POST',
    path: '/organizations/:organization/credentials',
    summary: 'Give a group (or everybody else) a credential for a server, an address of its own, or both',
    permission: 'admin:credentials:write',
    scope: 'organization',
    audit: 'credential.set',
    status: 200,
    input: z.strictObject({
      ...place,
      credential: bindingInput.shape.credential,
      header: bindingInput.shape.header,
      url: text.max(2048).optional().describe("In the place of the server's own address: https, not private."),
      /** The credential stays: only where the address stays as well, since it must not go elsewhere unseen. */
      keepCredential: z.boolean().default(false),
    }),
    output: credentialNoun,
  },
  removeCredential: {
    method: 'DELETE',
    path: '/organizations/:organization/credentials',
    summary: 'Remove the credential and address of a group for a server',
    permission: 'admin:credentials:write',
    scope: 'organization',
    audit: 'credential.remove',
    status: 200,
    input: z.strictObject(place),
    output: credentialNoun,
  },
} as const;
