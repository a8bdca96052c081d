/** `policies` of gatehouse.yaml. */
import { parse } from 'yaml';
import { z } from 'zod';
import { policyChoices, policyName, policyTarget } from './contract/policies.ts';
import { organizationRef } from './nouns.ts';

const json = z.record(z.string(), z.json());

/** A map, or the text of a JSON or YAML file. */
const toolhive = z.preprocess((value) => {
  if (typeof value !== 'string') return value;
  try {
    return parse(value, { schema: 'core', maxAliasCount: 0 });
  } catch {
    return value;
  }
}, json);

export const policies = z
  .array(
    z
      .strictObject({
        organization: organizationRef.describe('Whose they are: slug, external id or UUID.'),
        name: policyName.describe('Unique in the organization.'),
        ...policyTarget,
        ...policyChoices,
        policies: z
          .string()
          .min(1)
          .optional()
          .describe('Cedar policies as text, here or in a file that is referred to.'),
        config: toolhive
          .optional()
          .describe("Instead of `policies`: ToolHive's configuration, as a map or as the text of a JSON or YAML file."),
      })
      .refine((value) => (value.policies === undefined) !== (value.config === undefined), {
        error: 'needs either policies or config',
      })
      .refine((value) => value.server === undefined || value.collection === undefined, {
        error: 'can have a server or a collection, not both',
      }),
  )
  .default([]);
