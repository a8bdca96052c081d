/**
 * What configuration describes of organizations, servers, collections and access: the structured part of gatehouse.yaml,
 * read at the start, and what `plan` and `apply` send. One schema for both.
 */
import { z } from 'zod';
import { Secret } from '#core/secret.ts';
import { serverAuth } from './account-nouns.ts';
import { grantsConfig, groupsConfig } from './configuration-groups.ts';
import { policies } from './configuration-policies.ts';
import { openApiSelection } from './contract/openapi.ts';
import { fileLimitRule } from './limit-nouns.ts';
import {
  bindingInput,
  bindingsOf,
  collectionName,
  listingInput,
  organizationRef,
  rolesOrAll,
  slug,
  text,
} from './nouns.ts';
import { domainName } from './people-nouns.ts';
import { variableName } from './run-nouns.ts';
import { transport } from './transport-nouns.ts';

const secret = z
  .string()
  .min(1)
  .transform((value) => new Secret(value));
/** Text from a `${…}` reference counts as what it stands for. */
const flag = z
  .preprocess(
    (value) => (value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : value),
    z.boolean(),
  )
  .default(false);
const port = z.preprocess(
  (value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value),
  z.int('must be a port, 0 to 65535').min(0, 'must be a port, 0 to 65535').max(65_535, 'must be a port, 0 to 65535'),
);
const isRunHere = (kind: string): boolean => kind === 'stdio' || kind === 'process' || kind === 'container';
const httpUrl = z.url({ protocol: /^https?$/, error: 'must be a URL that starts with http:// or https://' });
/** As the API has it, but what is secret never lies about in the open. */
const binding = bindingInput.extend({ credential: secret.optional().describe('Sent upstream, sealed here.') });

const openApiSource = openApiSelection
  .extend({
    file: text.exactOptional().describe('The document, relative to this file; JSON or YAML, read at every start,'),
    document: z.string().min(1).exactOptional().describe('the document itself as text,'),
    from: httpUrl.exactOptional().describe('or where it is fetched at every start.'),
    url: httpUrl.exactOptional().describe('Where requests go; default: what the document says.'),
  })
  .refine(({ file, from, document }) => [file, from, document].filter((one) => one !== undefined).length === 1, {
    error: 'needs one of file, from and document',
  })
  .describe('An OpenAPI document whose operations are the tools, instead of a transport (docs/guide/openapi.md).');

export const structuredSections = {
  organizations: z
    .array(
      z.strictObject({
        slug: slug.describe('In URLs: `/{slug}/mcp`.'),
        name: text.describe('For people.'),
        externalId: organizationRef.optional().describe('Its id at the identity provider.'),
        domain: domainName.optional().describe('A host name whose `/mcp` is this organization’s.'),
      }),
    )
    .default([]),
  servers: z
    .array(
      z
        .strictObject({
          key: slug.describe('In URLs, and before the underscore of aggregated tools.'),
          title: text.optional().describe('For people.'),
          openapi: openApiSource.optional(),
          transport: transport
            .optional()
            .describe(
              '`{ kind: http, url, urls, state }`, `{ kind: sse, url }` (HTTP+SSE of 2024-11-05), `{ kind: stdio, command, args, env, cwd, credentialEnv, state }`, `{ kind: process, command, args, speaks, port, path, … }` (a program that listens itself), `{ kind: container, image, args, speaks, port, path, env, credentialEnv, state, volumes, permission, resources }` or `{ kind: builtin, name }`. `state`: `stateful` or `stateless`. A stateful HTTP server remembers things in its session: replicas then go on with one session of each caller instead of one each (`stateless`, the default). A stateful program runs once for each caller (the default), a stateless one once for the organization.',
            ),
          auth: serverAuth.optional(),
          trusted: flag.describe('Gets the identity headers (X-User-Email and the like).'),
          credential: secret
            .optional()
            .describe('The key of whoever has no other: a reference to a variable or file, read at every start.'),
          header: bindingInput.shape.header.describe('How the key goes out; default `authorization`, `Bearer {}`.'),
          tls: z
            .strictObject({
              caFile: text.optional().describe('PEM file of the authorities that its certificate may come from.'),
              certFile: text.optional().describe('PEM file of the certificate that the gateway shows it (mutual TLS),'),
              keyFile: text.optional().describe('and of its private key.'),
            })
            .refine(({ certFile, keyFile }) => (certFile === undefined) === (keyFile === undefined), {
              error: 'needs certFile and keyFile together',
            })
            .optional()
            .describe('Of `http` and `sse` servers; files are read when the server is first reached.'),
          keyName: text.optional().describe('Which of several credentials of a group is meant for it.'),
          variables: z
            .record(variableName, secret)
            .refine((values) => Object.keys(values).length <= 100, 'must be at most 100')
            .optional()
            .describe(
              'Sealed variables of a program or container: references to variables or files. Those that it has beside them are removed; left out, they stay as they are.',
            ),
          totalTimeoutMs: z
            .preprocess(
              (value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value),
              z.int().min(1000).max(86_400_000),
            )
            .optional()
            .describe('The longest that a call may take, in milliseconds; left out, it stays as it is.'),
          port: port
            .refine((value) => value > 0, 'must be a port, 1 to 65535')
            .optional()
            .describe('Where it answers beside its path, as on the main port; `MCP_PORT_<SERVER>` over it.'),
        })
        .refine(({ openapi, transport: given }) => (openapi === undefined) !== (given === undefined), {
          path: ['transport'],
          error: 'needs a transport, or an OpenAPI document',
        })
        .refine(({ variables, transport: given }) => variables === undefined || (given && isRunHere(given.kind)), {
          path: ['variables'],
          error: 'are for programs and containers: stdio, process and container',
        }),
    )
    .default([]),
  collections: z
    .array(
      z.strictObject({
        organization: organizationRef.describe('Whose it is: slug, external id or UUID.'),
        name: collectionName.describe('In URLs: `/{organization}/mcp/{name}`.'),
        allowedRoles: rolesOrAll.describe('`*`: every member; an empty list: nobody.'),
        ...listingInput,
        mode: listingInput.mode
          .unwrap()
          .optional()
          .describe(`${listingInput.mode.description} Default: \`full\`, with \`http.metaTools\` \`meta\`.`),
        bindings: bindingsOf(binding).describe('The servers in it.'),
      }),
    )
    .default([]),
  credentials: z
    .array(
      z
        .strictObject({
          organization: organizationRef.describe('Whose it is: slug, external id or UUID.'),
          server: slug.describe('Key of the server.'),
          group: text.optional().describe('Name of the group; left out: whoever no group decides for.'),
          keyName: z.string().default('').describe('Which of several credentials it is.'),
          credential: secret.optional().describe('Sent upstream, sealed here: a reference to a variable or file.'),
          header: bindingInput.shape.header.describe('How it goes out; default `authorization`, `Bearer {}`.'),
          url: httpUrl.optional().describe("In the place of the server's own address; no other credential goes there."),
        })
        .refine(({ credential, url }) => credential !== undefined || url !== undefined, {
          error: 'needs a credential, a url or both',
        }),
    )
    .default([])
    .describe('What groups reach servers with (docs/guide/credentials.md).'),
  enablements: z
    .array(
      z
        .strictObject({
          organization: organizationRef.describe('For which: slug, external id or UUID.'),
          server: slug.describe('Key of the server.'),
          allMembers: z
            .literal(true)
            .optional()
            .describe('Every member may use it. Neither this nor `allowedRoles`: whoever is granted it.'),
          allowedRoles: z.array(text).optional().describe('Members with one of these roles may use it.'),
        })
        .refine((value) => value.allMembers !== true || value.allowedRoles === undefined, {
          error: 'takes either allMembers: true or allowedRoles, not both',
        }),
    )
    .default([]),
  groups: groupsConfig,
  grants: grantsConfig,
  policies,
} as const;

/** As `plan` and `apply` take it. */
export const configurationDocument = z.strictObject({
  ...structuredSections,
  limits: z.strictObject({ rules: z.array(fileLimitRule).max(10_000).default([]) }).prefault({}),
});
export type ConfigurationDocument = z.output<typeof configurationDocument>;
