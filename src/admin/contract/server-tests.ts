/** Routes that ask servers something for an administrator: before they are saved, how they are, and once more. */
import { z } from 'zod';
import type { AdminRoute } from '#admin/contract.ts';
import { bindingInput, enforced, organizationRef, slug, text } from '#admin/nouns.ts';
import { serverKey } from '#admin/people-nouns.ts';
import { tools as shaping } from '#admin/tool-nouns.ts';
import { ownTransport, transport } from '#admin/transport-nouns.ts';
import { listing } from './lists.ts';
import { serverHealth } from './server-health.ts';

const org = { organization: organizationRef };
const given = {
  credential: bindingInput.shape.credential.describe('For this one greeting: it is not kept.'),
  header: bindingInput.shape.header,
  partition: text.optional(),
};
/** A tool as its server has it. */
const definition = z.record(z.string(), z.unknown());

export const greeting = z.object({
  state: z
    .enum(['well', 'sign-in', 'failed'])
    .describe('`sign-in`: it is there, and wants a credential or an account that it was not shown.'),
  era: z.enum(['legacy', 'modern']).nullable(),
  protocolVersion: z.string().nullable(),
  name: z.string().nullable(),
  version: z.string().nullable(),
  instructions: z.string().nullable(),
  capabilities: z.array(z.string()),
  ms: z.int(),
  problem: z.object({ code: z.string(), message: z.string() }).nullable(),
  tools: z.array(definition),
  /** Why some of its tools are not here. */
  cut: z.string().nullable(),
});
export type Greeting = z.output<typeof greeting>;

const ownHealth = serverHealth.omit({ refused: true, organization: true }).extend({
  title: z.string(),
  retryAt: z.iso.datetime().nullable().describe('Its calls are refused until then, after too many failures.'),
});
const health = listing(ownHealth, {
  id: ['key'],
  sort: ['key', 'title', 'state'],
  search: ['key', 'title', 'kind', 'state'],
});
export type OwnHealth = z.output<typeof ownHealth>;

export const serverTestRoutes = {
  probeServer: {
    method: 'POST',
    path: '/servers/probe',
    summary: 'Greet a server that is not saved: who answers, and with which tools. Nothing of it is kept',
    permission: 'admin:servers:write',
    scope: 'platform',
    audit: 'server.probe',
    status: 200,
    input: z.strictObject({ transport, ...given }),
    output: greeting,
  },
  probeOrganizationServer: {
    method: 'POST',
    path: '/organizations/:organization/probes',
    summary: 'Greet a server (HTTP only) that is not saved, as one of the organization: nothing of it is kept',
    permission: 'admin:servers:write',
    scope: 'organization',
    audit: 'ownserver.probe',
    status: 200,
    input: z.strictObject({ ...org, transport: ownTransport, ...given }),
    output: greeting,
  },
  getServerTools: {
    method: 'GET',
    path: '/organizations/:organization/servers/:server/greeting',
    summary: 'Greet a server of the organization, as members without a group or through a collection: its own tools',
    permission: 'admin:servers:read',
    scope: 'organization',
    audit: 'enablement.tools',
    status: 200,
    input: z.strictObject({ ...org, server: serverKey, collection: text.optional() }),
    output: greeting,
  },
  retryServer: {
    method: 'POST',
    path: '/organizations/:organization/servers/:server/retry',
    summary: 'Ask a server whose calls are refused for a while whether it is well again, now',
    permission: 'admin:enablements:write',
    scope: 'organization',
    audit: 'enablement.retry',
    status: 200,
    input: z.strictObject({ ...org, server: serverKey }),
    output: greeting,
  },
  listOrganizationHealth: {
    method: 'GET',
    path: '/organizations/:organization/server-health',
    summary: 'How the servers of an organization are, as the replica that answers knows it',
    permission: 'admin:servers:read',
    scope: 'organization',
    audit: 'enablement.health',
    status: 200,
    input: z.strictObject({ ...org, ...health.input, server: slug.optional() }),
    output: health.output,
    list: health.list,
  },
  previewTools: {
    method: 'POST',
    path: '/organizations/:organization/tool-previews',
    summary: 'What clients would see of these tools with this selection, these names and rules: nothing is stored',
    permission: 'admin:collections:read',
    scope: 'organization',
    audit: 'collection.preview',
    status: 200,
    maxBodyBytes: 8 * 1024 * 1024,
    input: z.strictObject({
      ...org,
      definitions: z.array(definition).max(2000),
      enforced: enforced.default({}),
      tools: shaping.default({}),
    }),
    output: z.object({
      items: z.array(z.object({ tool: z.string(), published: definition.nullable() })),
      tokens: z.int().describe('About what the list costs a model.'),
    }),
  },
} as const satisfies Record<string, AdminRoute>;
