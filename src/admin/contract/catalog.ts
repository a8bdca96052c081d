/** Routes of the admin API about the catalogue of servers, and about what is imported from elsewhere. */
import { z } from 'zod';
import { organizationRef, slug, text } from '#admin/nouns.ts';
import { roleList } from '#admin/people-nouns.ts';
import { listing } from './lists.ts';

const org = { organization: organizationRef };
const key = z.string().min(1).max(16_384);

/** Whom a server is for, from the beginning: nobody, until somebody is granted it. */
const access = { allMembers: z.boolean().default(false), allowedRoles: roleList.default([]) };

/** Commands, word for word as they were shown: what is not here is not run. */
const consent = z.array(z.string().max(8192)).max(100).default([]);

export const catalogNoun = z.object({
  key: z.string(),
  title: z.string(),
  description: z.string(),
  documentation: z.string(),
  tags: z.array(z.string()),
  kind: z.enum(['http', 'sse', 'stdio', 'container']),
  /** null: it has to be given, or it is a program. */
  url: z.string().nullable(),
  /** What it runs here; null: nothing. */
  command: z.string().nullable(),
  /** At an exact version. */
  pinned: z.boolean(),
  auth: z.enum(['none', 'key', 'variable', 'connected']),
  header: z.string().nullable(),
  /** Variables that turn it on, and say where it is. */
  variable: z.string().nullable(),
  urlVariable: z.string().nullable(),
  verified: z.boolean(),
  note: z.string().nullable(),
  /** There is a server of this key, and it is on for the organization. */
  enabled: z.boolean(),
});

export const importedNoun = z.object({
  key: z.string(),
  title: z.string(),
  description: z.string().nullable(),
  version: z.string().nullable(),
  kind: z.enum(['http', 'sse', 'stdio', 'container']).nullable(),
  url: z.string().nullable(),
  header: z.string().nullable(),
  command: z.string().nullable(),
  /** Of a program: names and values, without secrets. */
  environment: z.record(z.string(), z.string()),
  needs: z.array(
    z.object({
      name: z.string(),
      description: z.string().nullable(),
      required: z.boolean(),
      secret: z.boolean(),
      choices: z.array(z.string()),
      default: z.string().nullable(),
      /** The document has a value, or an answer was given: a secret is not shown. */
      given: z.boolean(),
    }),
  ),
  warnings: z.array(z.string()),
  problems: z.array(z.string()),
  made: z.boolean(),
});

const catalogList = listing(catalogNoun, {
  id: ['key'],
  sort: ['key', 'title', 'kind'],
  search: ['key', 'title', 'description', 'tags'],
});

export const catalogRoutes = {
  listCatalog: {
    method: 'GET',
    path: '/organizations/:organization/catalog',
    summary: 'The catalogue of servers',
    permission: 'admin:servers:read',
    scope: 'organization',
    audit: 'catalog.list',
    status: 200,
    input: z.strictObject({ ...org, ...catalogList.input, tag: text.optional() }),
    output: catalogList.output,
    list: catalogList.list,
  },
  getCatalogEntry: {
    method: 'GET',
    path: '/organizations/:organization/catalog/:key',
    summary: 'One server of the catalogue',
    permission: 'admin:servers:read',
    scope: 'organization',
    audit: 'catalog.read',
    status: 200,
    input: z.strictObject({ ...org, key: slug }),
    output: catalogNoun,
  },
  addCatalogServer: {
    method: 'POST',
    path: '/organizations/:organization/catalog/:key',
    summary: "Add a server of the catalogue, with the organization's own key; programs are for the platform alone",
    permission: 'admin:servers:write',
    scope: 'organization',
    audit: 'catalog.add',
    status: 201,
    input: z.strictObject({
      ...org,
      key: slug,
      /** Default: the entry's key. */
      as: slug.optional(),
      credential: key.optional(),
      url: text.max(2048).optional(),
      consent,
      ...access,
    }),
    output: z.object({ organization: z.string(), server: z.string(), kind: z.string() }),
  },
  importServers: {
    method: 'POST',
    path: '/organizations/:organization/imports',
    summary: 'Import servers: a server.json, the file of a client, an address of one, or a name in the registry',
    permission: 'admin:servers:write',
    scope: 'organization',
    audit: 'import.make',
    status: 200,
    input: z.strictObject({
      ...org,
      document: z.string().min(1).max(1_048_576).optional(),
      url: text.max(2048).optional(),
      /** `namespace/name` or `namespace/name@version`. */
      registry: z
        .string()
        .regex(/^[A-Za-z0-9.-]{1,128}\/[A-Za-z0-9._-]{1,128}(@[A-Za-z0-9._+-]{1,128})?$/, 'must be namespace/name')
        .optional(),
      /** Keys; left out: all that there are. */
      servers: z.array(slug).max(100).optional(),
      /** Of the only one that is imported. */
      as: slug.optional(),
      answers: z.record(z.string().max(128), key).default({}),
      consent,
      network: z.enum(['none', 'full']).optional(),
      /** Nothing is made, all is shown. */
      dryRun: z.boolean().default(false),
      ...access,
    }),
    output: z.object({ kind: z.enum(['server.json', 'clients', 'openapi']), servers: z.array(importedNoun) }),
  },
} as const;
