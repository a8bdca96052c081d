/** Routes about servers made from OpenAPI documents, of the platform and of organizations. */
import { z } from 'zod';
import type { AdminRoute } from '#admin/contract.ts';
import { organizationRef, slug, text } from '#admin/nouns.ts';
import { listing } from './lists.ts';

const strings = z.array(z.string().min(1).max(300)).max(500);

export const openApiSelection = z.strictObject({
  tags: strings.exactOptional().describe('Operations with one of these tags.'),
  methods: strings.exactOptional().describe('Operations of these methods: `get`, `post`.'),
  include: strings.exactOptional().describe('Operation ids, paths (`/repos/*`) or both (`GET /repos/*`).'),
  exclude: strings.exactOptional().describe('As `include`, left out.'),
  deprecated: z.boolean().exactOptional().describe('Also those that the document calls deprecated.'),
});

const source = {
  document: z.string().min(1).max(10_485_760).exactOptional().describe('The document itself, JSON or YAML,'),
  from: z.url().max(2048).exactOptional().describe('or the address that it is read from, once.'),
  selection: openApiSelection.exactOptional(),
};
const baseUrl = z.url().max(2048).exactOptional().describe('Where requests go; default: what the document says.');
const digest = z.string().regex(/^[0-9a-f]{64}$/, 'must be the SHA-256 of an imported document');

export const openApiPreview = z.object({
  title: z.string(),
  version: z.string(),
  digest: z.string(),
  url: z.string().nullable(),
  schemes: z.array(z.object({ name: z.string(), kind: z.string() })),
  tools: z.array(z.object({ name: z.string(), operation: z.string(), title: z.string() })),
  leftOut: z.array(z.object({ operation: z.string(), reason: z.string() })),
  warnings: z.array(z.string()),
});

const made = z.object({ server: z.string(), id: z.string(), url: z.string(), document: openApiPreview });

const changed = made.extend({
  added: z.array(z.string()),
  removed: z.array(z.string()),
  changed: z.array(z.string()),
});

const stored = z.object({
  digest: z.string(),
  title: z.string(),
  version: z.string(),
  bytes: z.number(),
  createdAt: z.string(),
  servers: z.array(z.string()),
});

/** JSON may write a character as six. */
const maxBodyBytes = 12 * 1024 * 1024;
const read = { permission: 'admin:servers:read', status: 200 } as const;
const write = { permission: 'admin:servers:write', status: 200 } as const;

const inputs = {
  preview: source,
  create: { ...source, key: slug, title: text.exactOptional(), url: baseUrl },
  update: { ...source, server: slug, url: baseUrl, dryRun: z.boolean().default(false) },
};

const documents = listing(stored, {
  id: ['digest'],
  sort: ['title', 'createdAt'],
  search: ['title', 'version', 'digest', 'servers'],
});

export const openApiRoutes = {
  previewOpenApi: {
    method: 'POST',
    path: '/openapi/preview',
    scope: 'platform',
    audit: 'openapi.preview',
    maxBodyBytes,
    ...write,
    summary: 'The tools that an OpenAPI document would make; nothing is stored',
    input: z.strictObject(inputs.preview),
    output: openApiPreview,
  },
  createOpenApiServer: {
    method: 'POST',
    path: '/openapi/servers',
    scope: 'platform',
    audit: 'openapi.create',
    maxBodyBytes,
    ...write,
    summary: 'Define a server of the platform whose tools are the operations of an OpenAPI document',
    status: 201,
    input: z.strictObject(inputs.create),
    output: made,
  },
  updateOpenApiServer: {
    method: 'PUT',
    path: '/openapi/servers/:server',
    scope: 'platform',
    audit: 'openapi.update',
    maxBodyBytes,
    ...write,
    summary: 'Give a server another version of its OpenAPI document, or see what that would change',
    input: z.strictObject(inputs.update),
    output: changed,
  },
  listOpenApiDocuments: {
    method: 'GET',
    path: '/openapi/documents',
    scope: 'platform',
    audit: 'openapi.list',
    ...read,
    summary: "The platform's OpenAPI documents and the servers made from them",
    input: z.strictObject({ ...documents.input }),
    output: documents.output,
    list: documents.list,
  },
  removeOpenApiDocument: {
    method: 'DELETE',
    path: '/openapi/documents/:digest',
    scope: 'platform',
    audit: 'openapi.remove',
    ...write,
    summary: 'Remove an OpenAPI document that no server uses',
    input: z.strictObject({ digest }),
    output: stored,
  },
  previewOrganizationOpenApi: {
    method: 'POST',
    path: '/organizations/:organization/openapi/preview',
    maxBodyBytes,
    ...write,
    scope: 'organization',
    audit: 'ownopenapi.preview',
    summary: 'The tools that an OpenAPI document would make for an organization; nothing is stored',
    input: z.strictObject({ organization: organizationRef, ...inputs.preview }),
    output: openApiPreview,
  },
  createOrganizationOpenApiServer: {
    method: 'POST',
    path: '/organizations/:organization/openapi/servers',
    maxBodyBytes,
    ...write,
    scope: 'organization',
    audit: 'ownopenapi.create',
    summary: 'Define a server of the organization from an OpenAPI document, and enable it',
    status: 201,
    input: z.strictObject({
      organization: organizationRef,
      ...inputs.create,
      allMembers: z.boolean().default(false),
      allowedRoles: z.array(z.string().min(1).max(128)).max(100).default([]),
    }),
    output: made,
  },
  updateOrganizationOpenApiServer: {
    method: 'PUT',
    path: '/organizations/:organization/openapi/servers/:server',
    maxBodyBytes,
    ...write,
    scope: 'organization',
    audit: 'ownopenapi.update',
    summary: "Give one of the organization's own servers another version of its OpenAPI document",
    input: z.strictObject({ organization: organizationRef, ...inputs.update }),
    output: changed,
  },
  listOrganizationOpenApiDocuments: {
    method: 'GET',
    path: '/organizations/:organization/openapi/documents',
    ...read,
    scope: 'organization',
    audit: 'ownopenapi.list',
    summary: "The organization's own OpenAPI documents and the servers made from them",
    input: z.strictObject({ organization: organizationRef, ...documents.input }),
    output: documents.output,
    list: documents.list,
  },
  removeOrganizationOpenApiDocument: {
    method: 'DELETE',
    path: '/organizations/:organization/openapi/documents/:digest',
    ...write,
    scope: 'organization',
    audit: 'ownopenapi.remove',
    summary: "Remove one of the organization's own OpenAPI documents that no server uses",
    input: z.strictObject({ organization: organizationRef, digest }),
    output: stored,
  },
} as const satisfies Record<string, AdminRoute>;
