/** Routes of configuration as code: see docs/guide/configuration-as-code.md. */
import { z } from 'zod';
import { configurationDocument } from '#admin/configuration-nouns.ts';
import type { AdminRoute } from '#admin/contract.ts';

const json = z.unknown();

const change = z.object({
  action: z.enum(['add', 'change', 'remove']),
  what: z.string(),
  fields: z.array(z.object({ path: z.string(), before: json, after: json })),
});

/** `*`: every tool that isn't known by name, or all of them. */
const accessChange = z.object({
  organization: z.string(),
  who: z.object({ kind: z.enum(['everybody', 'role', 'group', 'person']), name: z.string() }),
  endpoint: z.string(),
  server: z.string(),
  gains: z.array(z.string()),
  loses: z.array(z.string()),
});

export const configurationPlan = z.object({
  changes: z.array(change),
  access: z.array(accessChange),
  warnings: z.array(z.string()),
  applied: z.boolean(),
});
export type ConfigurationPlan = z.output<typeof configurationPlan>;
export type AccessChange = z.output<typeof accessChange>;

export const exportedConfiguration = z.object({
  document: z.record(z.string(), json),
  variables: z.array(z.object({ name: z.string(), of: z.string() })),
  leftOut: z.array(z.string()),
});

const choices = {
  prune: z
    .enum(['none', 'file', 'all'])
    .default('none')
    .describe('What the document no longer has: stays; goes if a file once made it; goes whoever made it.'),
  adopt: z.boolean().default(false).describe("What the API or portal made becomes the file's, instead of a conflict."),
};
const input = z.strictObject({ document: configurationDocument, ...choices });
export type ConfigurationWish = z.output<typeof input>;

const maxBodyBytes = 16 * 1024 * 1024;

export const configurationRoutes = {
  exportConfiguration: {
    method: 'GET',
    path: '/configuration',
    summary: 'The whole configuration as a document, references in the place of secrets',
    permission: 'admin:configuration:read',
    scope: 'platform',
    audit: 'configuration.export',
    status: 200,
    input: z.strictObject({}),
    output: exportedConfiguration,
  },
  planConfiguration: {
    method: 'POST',
    path: '/configuration/plan',
    summary: 'What a document would change, and who would gain and lose which tools: nothing is changed',
    permission: 'admin:configuration:read',
    scope: 'platform',
    audit: 'configuration.plan',
    status: 200,
    maxBodyBytes,
    input,
    output: configurationPlan,
  },
  applyConfiguration: {
    method: 'POST',
    path: '/configuration/apply',
    summary: 'Make it as a document says: all of it or, where something is wrong, nothing',
    permission: 'admin:configuration:write',
    scope: 'platform',
    audit: 'configuration.apply',
    status: 200,
    maxBodyBytes,
    input,
    output: configurationPlan,
  },
} as const satisfies Record<string, AdminRoute>;
