/** `groups` and `grants` of gatehouse.yaml. */
import { z } from 'zod';
import { collectionName, organizationRef, slug, text } from './nouns.ts';
import { email, groupName, toolNames } from './people-nouns.ts';

const target = {
  server: slug.optional().describe('Key of the server; either this or `collection`.'),
  collection: collectionName.optional().describe('Name of the collection.'),
  tools: toolNames.optional().describe("Only these, by the server's own names. Default: all it has."),
};
interface Target {
  readonly server?: string | undefined;
  readonly collection?: string | undefined;
  readonly tools?: readonly string[] | undefined;
}
const checked = <T extends z.ZodType<Target>>(grant: T) =>
  grant
    .refine(({ server, collection }) => (server === undefined) !== (collection === undefined), {
      error: 'needs either server or collection',
    })
    .refine(({ collection, tools }) => collection === undefined || tools === undefined, {
      error: 'tools are of a server: grant that one',
    });
const grant = checked(z.strictObject(target));

export const grantsConfig = z
  .array(
    checked(
      z.strictObject({
        organization: organizationRef.describe('Whose it is: slug, external id or UUID.'),
        email: email.describe('Address of a person, also before their first sign-in.'),
        ...target,
      }),
    ),
  )
  .default([])
  .describe('What single people may use, beside their groups.');

export const groupsConfig = z
  .array(
    z.strictObject({
      organization: organizationRef.describe('Whose it is: slug, external id or UUID.'),
      name: groupName.describe('Such as MCP-GitHub. MCP-Admin is there already, and sees all that is enabled.'),
      title: z.string().max(512).optional().describe('For people.'),
      externalId: text
        .optional()
        .describe('What the identity provider calls it: whoever it says is in that one is in this one.'),
      priority: z
        .int()
        .min(0)
        .max(1_000_000)
        .optional()
        .describe('Of several groups the lowest decides about credentials. Default: 1000.'),
      members: z.array(email).default([]).describe('E-mail addresses, also before their first sign-in.'),
      grants: z.array(grant).default([]).describe('What its members may use.'),
    }),
  )
  .default([]);
