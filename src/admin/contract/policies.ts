/** Routes of policies: see docs/guide/policies.md. */
import { z } from 'zod';
import type { AdminRoute } from '#admin/contract.ts';
import { admittedBy } from '#admin/me-nouns.ts';
import { collectionName, organizationRef, slug } from '#admin/nouns.ts';
import { rowId } from '#admin/people-nouns.ts';
import { listing } from './lists.ts';

const org = { organization: organizationRef };
/** Part of a path. */
export const policyName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'must be letters, digits, ".", "_" and "-", at most 128 characters');
const json = z.record(z.string(), z.json());

/** What they hold for: one server wherever it is reached, one collection, or, with neither, all of the organization. */
export const policyTarget = {
  server: slug.optional().describe('Key of the server that they hold for, wherever it is reached.'),
  collection: collectionName.optional().describe('Name of the collection that they hold for. Neither: everything.'),
};
export const policyChoices = {
  onError: z
    .enum(['deny', 'skip'])
    .default('deny')
    .describe('Of a policy that cannot be evaluated: `deny` refuses the request, `skip` goes on without that policy.'),
  mode: z.enum(['enforce', 'log']).default('enforce').describe('`log`: what they would refuse is only logged.'),
};
const source = {
  policies: z.string().min(1).max(1_048_576).optional().describe('Cedar policies as text; either this or `config`.'),
  config: json.optional().describe("ToolHive's configuration: `{version, type, cedar}`."),
};

const policy = z.object({
  id: z.string(),
  name: z.string(),
  organization: z.string(),
  server: z.string().nullable(),
  collection: z.string().nullable(),
  onError: z.enum(['deny', 'skip']),
  mode: z.enum(['enforce', 'log']),
  version: z.int(),
  managedBy: z.enum(['api', 'file']),
  updatedAt: z.string(),
  config: json,
});
export type PolicyOutput = z.output<typeof policy>;
const saved = policy.extend({ warnings: z.array(z.string()) });

const text = z.string().max(2048);
export const policyCase = z.strictObject({
  name: text.optional().describe('Shown where it comes out otherwise than expected.'),
  claims: z.record(z.string(), z.json()).default({}).describe('Of the caller; `sub` says who it is.'),
  user: rowId
    .optional()
    .describe('A member, with what they hold. None: whoever has the `roles` and `groups` of these claims.'),
  action: z
    .enum(['call_tool', 'get_prompt', 'read_resource', 'list_tools', 'list_prompts', 'list_resources'])
    .default('call_tool'),
  server: slug.describe('Key of the server.'),
  collection: collectionName.optional().describe('As reached through this collection.'),
  resource: text.describe("The server's own name of the tool or prompt, or URI of the resource."),
  args: z.record(z.string(), z.json()).optional(),
  annotations: z.record(z.string(), z.json()).optional(),
  expect: z.enum(['permit', 'deny']).optional(),
});
export type PolicyCase = z.output<typeof policyCase>;

const asked = z.object({
  policy: z.string(),
  version: z.int(),
  mode: z.enum(['enforce', 'log']),
  decision: z.enum(['permit', 'deny']),
  policies: z.array(z.string()).describe('Ids of those that decided.'),
  errors: z.array(z.string()),
});
/** In the order in which they are taken. */
export const decidingSteps = ['membership', 'enablement', 'grant', 'switch', 'policy', 'limit'] as const;
const outcome = z.object({
  decision: z.enum(['permit', 'deny']),
  step: z.enum(decidingSteps).nullable().describe('That refuses it; null: it is permitted.'),
  by: z.array(admittedBy).describe('What gives access, whatever else refuses it.'),
  limit: z.string().nullable().describe('Id of the limit that is used up at this moment.'),
});
const tested = z.object({
  name: z.string().nullable(),
  decision: z.enum(['permit', 'deny']).describe('Of the policies alone: what `expect` is held against.'),
  outcome: outcome.nullable().describe('Of a call, all in all; null: no gateway runs that could say.'),
  expected: z.enum(['permit', 'deny']).nullable(),
  asked: z.array(asked),
});
export type TestedCase = z.output<typeof tested>;

/** `grant`: nothing gives it to them; `policy`: a policy forbids it, or none permits it. */
const cell = z.enum(['yes', 'grant', 'policy']);
const matrix = z.object({
  groups: z.array(z.string()),
  rows: z.array(z.object({ endpoint: z.string(), server: z.string(), tool: z.string(), cells: z.array(cell) })),
});
export type PolicyMatrix = z.output<typeof matrix>;

const policies = listing(policy, { id: ['id'], sort: ['name', 'updatedAt'], search: ['name', 'server', 'collection'] });

export const policyRoutes = {
  listPolicies: {
    method: 'GET',
    path: '/organizations/:organization/policies',
    summary: 'Policies of an organization',
    permission: 'admin:policies:read',
    scope: 'organization',
    audit: 'policy.list',
    status: 200,
    input: z.strictObject({ ...org, ...policies.input }),
    output: policies.output,
    list: policies.list,
  },
  getPolicy: {
    method: 'GET',
    path: '/organizations/:organization/policies/:name',
    summary: 'One set of policies',
    permission: 'admin:policies:read',
    scope: 'organization',
    audit: 'policy.read',
    status: 200,
    input: z.strictObject({ ...org, name: policyName }),
    output: policy,
  },
  createPolicy: {
    method: 'POST',
    path: '/organizations/:organization/policies',
    summary: 'Attach policies to a server, a collection or the organization: what they do not permit is denied',
    permission: 'admin:policies:write',
    scope: 'organization',
    audit: 'policy.create',
    status: 201,
    input: z.strictObject({ ...org, name: policyName, ...policyTarget, ...source, ...policyChoices }),
    output: saved,
  },
  updatePolicy: {
    method: 'POST',
    path: '/organizations/:organization/policies/:name',
    summary: 'Replace a set of policies',
    permission: 'admin:policies:write',
    scope: 'organization',
    audit: 'policy.update',
    status: 200,
    freshSignIn: true,
    input: z.strictObject({ ...org, name: policyName, ...policyTarget, ...source, ...policyChoices }),
    output: saved,
    changes: 'getPolicy',
  },
  removePolicy: {
    method: 'DELETE',
    path: '/organizations/:organization/policies/:name',
    summary: 'Remove a set of policies: what it refused is refused no longer',
    permission: 'admin:policies:write',
    scope: 'organization',
    audit: 'policy.remove',
    status: 200,
    freshSignIn: true,
    input: z.strictObject({ ...org, name: policyName }),
    output: policy,
    changes: 'getPolicy',
  },
  testPolicies: {
    method: 'POST',
    path: '/organizations/:organization/policy-tests',
    summary: 'What the policies of an organization, or a draft of some, decide about given requests',
    permission: 'admin:policies:read',
    scope: 'organization',
    audit: 'policy.test',
    status: 200,
    input: z.strictObject({
      ...org,
      draft: z
        .strictObject({ name: policyName, ...policyTarget, ...source, ...policyChoices })
        .optional()
        .describe('In the place of the set of its name, or beside the others.'),
      cases: z.array(policyCase).min(1).max(1000),
    }),
    output: z.object({ results: z.array(tested), errors: z.array(z.string()), warnings: z.array(z.string()) }),
  },
  showPolicyMatrix: {
    method: 'GET',
    path: '/organizations/:organization/policy-matrix',
    summary: 'Who can do what: groups and tools, by grants and policies together',
    permission: 'admin:policies:read',
    scope: 'organization',
    audit: 'policy.matrix',
    status: 200,
    input: z.strictObject({ ...org, server: slug.optional() }),
    output: matrix,
  },
} as const satisfies Record<string, AdminRoute>;
