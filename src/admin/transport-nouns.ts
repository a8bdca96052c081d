/** How servers are reached and run, as it is given: in the admin API, in gatehouse.yaml, by imports. */
import { isAbsolute, normalize } from 'node:path';
import { z } from 'zod';

const text = z.string().trim().min(1).max(2048);

/** Names of variables that hold secrets: a definition is stored in the clear and must not have them. */
export const secretName = /(secret|password|passwd|token|credential|(api|private|secret)[-_]?key|(^|_)key)$/i;

const environment = z
  .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a variable'), z.string())
  .refine((values) => !Object.keys(values).some((name) => secretName.test(name)), {
    error: 'would store a secret in the clear: use credentialEnv and give the binding a credential',
  });

const serverUrl = z
  .string()
  .refine((url) => /^https?:\/\//.test(url) && URL.canParse(url.replaceAll('{partition}', 'p')), {
    error: 'must be a URL that starts with http:// or https://',
  });

const path = text.refine((value) => isAbsolute(value) && normalize(value) === value && !value.includes('\0'), {
  error: 'must be an absolute path without . and ..',
});

/** Whether a server remembers something of its callers in their sessions. */
const serverState = z.enum(['stateful', 'stateless']);

const volume = z.strictObject({
  source: path.describe('Folder or file of the host.'),
  target: path.describe('Where the program sees it.'),
  readOnly: z.boolean().default(true),
});

const allowedHost = text.regex(/^(\*\.)?[a-z0-9.-]+(:\d{1,5})?$/i, 'must be a host name, with a port or without');

export const permissionProfile = z.strictObject({
  network: z
    .union([z.enum(['none', 'full']), z.strictObject({ allow: z.array(allowedHost).min(1).max(200) })])
    .default('none')
    .describe('`none`, `full`, or `{ allow: [host, …] }`.'),
  read: z.array(path).max(50).exactOptional().describe('Paths of the host that the program may read,'),
  write: z.array(path).max(50).exactOptional().describe('and write.'),
});

const resources = z.strictObject({
  memoryMb: z.int().min(16).max(1_048_576).exactOptional(),
  cpus: z.number().min(0.05).max(256).exactOptional(),
  processes: z.int().min(1).max(10_000).exactOptional(),
  openFiles: z.int().min(16).max(1_000_000).exactOptional(),
  fileMb: z.int().min(1).max(1_048_576).exactOptional(),
});

const run = {
  env: environment.default({}),
  credentialEnv: text.optional(),
  state: serverState.default('stateful'),
  volumes: z.array(volume).max(50).exactOptional(),
  permission: permissionProfile.exactOptional(),
  resources: resources.exactOptional(),
};
const program = { command: text, args: z.array(z.string()).default([]), cwd: text.optional(), ...run };
const port = z.int().min(1).max(65_535);
const urlPath = text.regex(/^\/[^\s?#]*$/, 'must be a path that starts with /');
const pinned = {
  protocolVersion: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2}$/, 'must be a revision of MCP such as 2025-06-18')
    .exactOptional()
    .describe('The only revision that it may answer with.'),
};

const http = z.strictObject({
  kind: z.literal('http'),
  url: serverUrl,
  urls: z.array(serverUrl).min(1).max(32).exactOptional().describe('Further addresses of the same server.'),
  state: serverState.exactOptional(),
  ...pinned,
});
const sse = z.strictObject({ kind: z.literal('sse'), url: serverUrl, ...pinned });
const openapi = z.strictObject({
  kind: z.literal('openapi'),
  document: z.string().regex(/^[0-9a-f]{64}$/, 'must be the SHA-256 of an imported document'),
  url: serverUrl.exactOptional(),
  ...pinned,
});

export const transport = z.discriminatedUnion('kind', [
  http,
  sse,
  z.strictObject({ kind: z.literal('stdio'), ...program, ...pinned }),
  z.strictObject({
    kind: z.literal('process'),
    ...program,
    speaks: z.enum(['http', 'sse']).default('http'),
    port: port.exactOptional(),
    path: urlPath.default('/mcp'),
    ...pinned,
  }),
  z.strictObject({
    kind: z.literal('container'),
    image: text.regex(/^[a-z0-9][\w./:@-]*$/i, 'must be the name of an image'),
    args: z.array(z.string()).default([]),
    ...run,
    speaks: z.enum(['stdio', 'http', 'sse']).default('stdio'),
    port: port.exactOptional(),
    path: urlPath.exactOptional(),
    ...pinned,
  }),
  openapi,
  z.strictObject({ kind: z.literal('builtin'), name: text, ...pinned }),
]);

/** A command of this machine, or an image, is never an organization's to decide on (SECURITY G1). */
export const ownTransport = z.discriminatedUnion('kind', [http, sse, openapi]);

export const transportKinds = ['http', 'sse', 'stdio', 'process', 'container', 'openapi', 'builtin'] as const;
