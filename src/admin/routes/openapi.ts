import { getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { OpenApiChoice, OpenApiImport, ReadOpenApi } from '#admin/openapi-import.ts';
import { openOpenApiPace } from '#admin/openapi-pace.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId, ServerId } from '#core/ids.ts';
import type { OpenApiTransport } from '#core/transport.ts';
import type { OrganizationScope, PlatformScope } from '#db/scope.ts';
import { addressGuard } from '#http/address-guard.ts';
import { checkWritten } from '#http/check-target.ts';
import { putEnablement } from '#records/enablements.ts';
import {
  findOpenApiDocument,
  listOpenApiDocuments,
  type OpenApiDocumentRow,
  putOpenApiDocument,
  removeOpenApiDocument,
} from '#records/openapi-documents.ts';
import { findServer, insertServer, updateServer } from '#records/servers.ts';
import { checkName } from './servers.ts';

type PlatformNames =
  | 'previewOpenApi'
  | 'createOpenApiServer'
  | 'updateOpenApiServer'
  | 'listOpenApiDocuments'
  | 'removeOpenApiDocument';
type OwnNames =
  | 'previewOrganizationOpenApi'
  | 'createOrganizationOpenApiServer'
  | 'updateOrganizationOpenApiServer'
  | 'listOrganizationOpenApiDocuments'
  | 'removeOrganizationOpenApiDocument';

export function openApiHandlers(deps: AdminDeps): Pick<Handlers, PlatformNames | OwnNames> {
  return { ...platformHandlers(deps), ...ownHandlers(deps) };
}

function platformHandlers(deps: AdminDeps): Pick<Handlers, PlatformNames> {
  const { records } = deps;
  const within: Within = (work) => records.asPlatform(work);
  return {
    previewOpenApi: async (given) => shown(await readSource(deps, given)),
    async createOpenApiServer(given) {
      const read = await readSource(deps, given);
      return create(within, { given, read, url: urlOf(given, read) });
    },
    async updateOpenApiServer(given) {
      return update(deps, within, { given, check: async (url) => url });
    },
    listOpenApiDocuments: async () => ({ items: (await within(listOpenApiDocuments)).map(stored) }),
    removeOpenApiDocument: async ({ digest }) => stored(await within((scope) => removeOpenApiDocument(scope, digest))),
  };
}

function ownHandlers(deps: AdminDeps): Pick<Handlers, OwnNames> {
  const { records } = deps;
  const pace = openOpenApiPace(deps);
  const paced = (org: OrgId): AdminDeps => {
    const openApi = pace.of(org, deps.openApi);
    return openApi ? { ...deps, openApi } : deps;
  };
  const check = (url: string) => checkWritten(deps.guard ?? addressGuard(), url);
  const withinOf =
    (org: Parameters<typeof records.within>[0]): Within =>
    (work) =>
      records.within(org, work);
  return {
    async previewOrganizationOpenApi({ organization, ...given }, actor) {
      const { id } = await getOrganization(records, actor, organization);
      return shown(await readSource(paced(id), given));
    },
    async createOrganizationOpenApiServer({ organization, allMembers, allowedRoles, ...given }, actor) {
      const { id } = await getOrganization(records, actor, organization);
      const read = await readSource(paced(id), given);
      const url = await check(urlOf(given, read));
      return create(withinOf(id), {
        ...{ given, read, url },
        onMade: async (scope, server) => {
          if (scope.kind !== 'organization') return;
          await putEnablement(scope, { server, enabled: true, allMembers, allowedRoles });
        },
      });
    },
    async updateOrganizationOpenApiServer({ organization, ...given }, actor) {
      const { id } = await getOrganization(records, actor, organization);
      return update(paced(id), withinOf(id), { given, check });
    },
    async listOrganizationOpenApiDocuments({ organization }, actor) {
      const { id } = await getOrganization(records, actor, organization);
      return { items: (await records.within(id, listOpenApiDocuments)).map(stored) };
    },
    async removeOrganizationOpenApiDocument({ organization, digest }, actor) {
      const { id } = await getOrganization(records, actor, organization);
      return stored(await records.within(id, (scope) => removeOpenApiDocument(scope, digest)));
    },
  };
}

type Scope = OrganizationScope | PlatformScope;
type Within = <T>(work: (scope: Scope) => Promise<T>) => Promise<T>;

interface Source {
  readonly document?: string;
  readonly from?: string;
  readonly selection?: OpenApiChoice;
}

async function readSource(deps: AdminDeps, { document, from, selection }: Source): Promise<ReadOpenApi> {
  const importing = importOf(deps);
  if ((document === undefined) === (from === undefined)) {
    throw new GatehouseError('bad_request', { message: 'Give the document, or the address that it is read from' });
  }
  const text = document ?? (await importing.fetch(from ?? ''));
  return importing.read(text, { selection, at: from });
}

function importOf({ openApi }: AdminDeps): OpenApiImport {
  if (openApi) return openApi;
  throw new GatehouseError('bad_request', { message: 'Nothing here reads OpenAPI documents' });
}

/** Throws `bad_request` where neither says it. */
function urlOf({ url }: { readonly url?: string }, read: ReadOpenApi): string {
  const found = url ?? read.url;
  if (found !== undefined && /^https?:\/\//.test(found)) return found;
  throw new GatehouseError('bad_request', {
    message: 'The OpenAPI document does not say where its API is: give the URL as well',
  });
}

interface Creating {
  readonly given: { readonly key: string; readonly title?: string };
  readonly read: ReadOpenApi;
  readonly url: string;
  readonly onMade?: (scope: Scope, server: ServerId) => Promise<void>;
}

async function create(within: Within, { given, read, url, onMade }: Creating) {
  const { key, title = read.title } = given;
  checkName(key);
  const transport: OpenApiTransport = { kind: 'openapi', document: read.digest, url };
  const made = await within(async (scope) => {
    if (await ownServer(scope, key))
      throw new GatehouseError('conflict', { message: `A server "${key}" exists already` });
    await putOpenApiDocument(scope, read);
    const server = await insertServer(scope, { key, title: title.slice(0, 200), transport });
    await onMade?.(scope, server.id);
    return server;
  });
  return { server: made.key, id: made.id, url, document: shown(read) };
}

interface Updating {
  readonly given: Source & { readonly server: string; readonly url?: string; readonly dryRun: boolean };
  readonly check: (url: string) => Promise<string>;
}

async function update(deps: AdminDeps, within: Within, { given, check }: Updating) {
  const { server: key, url: newUrl, dryRun, selection } = given;
  const before = await within(async (scope) => {
    const server = await ownServer(scope, key);
    if (server?.transport.kind !== 'openapi') {
      throw new GatehouseError('not_found', { message: `There is no server "${key}" made from an OpenAPI document` });
    }
    return { server, transport: server.transport, text: await findOpenApiDocument(scope, server.transport.document) };
  });
  const old = before.text === undefined ? undefined : await importOf(deps).read(before.text, {});
  const chosen = selection ?? old?.selection;
  const read = await readSource(deps, { ...given, ...(chosen && { selection: chosen }) });
  const url = await check(newUrl ?? before.transport.url ?? urlOf({}, read));
  if (!dryRun) {
    const transport = { ...before.transport, document: read.digest, url };
    await within(async (scope) => {
      await putOpenApiDocument(scope, read);
      await updateServer(scope, before.server.id, { transport });
    });
  }
  return { server: key, id: before.server.id, url, document: shown(read), ...difference(old, read) };
}

async function ownServer(scope: Scope, key: string) {
  const found = await findServer(scope, key);
  return found && (found.org !== undefined) === (scope.kind === 'organization') ? found : undefined;
}

function difference(old: ReadOpenApi | undefined, read: ReadOpenApi) {
  const before = new Map(old?.tools.map(({ name, hash }) => [name, hash]));
  const after = new Map(read.tools.map(({ name, hash }) => [name, hash]));
  return {
    added: [...after.keys()].filter((name) => !before.has(name)),
    removed: [...before.keys()].filter((name) => !after.has(name)),
    changed: [...after].filter(([name, hash]) => before.has(name) && before.get(name) !== hash).map(([name]) => name),
  };
}

function shown({ title, version, digest, url, schemes, tools, leftOut }: ReadOpenApi) {
  return {
    ...{ title, version, digest, url: url ?? null },
    schemes: schemes.map(({ name, kind }) => ({ name, kind })),
    tools: tools.map(({ name, operation, title: called }) => ({ name, operation, title: called })),
    leftOut: leftOut.map(({ operation, reason }) => ({ operation, reason })),
    warnings: warningsOf(tools),
  };
}

/** Clients show every tool to their model, at every turn. */
const MANY_TOOLS = 500;

function warningsOf(tools: ReadOpenApi['tools']): string[] {
  if (tools.length <= MANY_TOOLS) return [];
  const kilobytes = Math.round(tools.reduce((sum, { bytes }) => sum + bytes, 0) / 1024);
  return [
    `${tools.length} tools, ${kilobytes} KiB of definitions, are more than clients and models manage: choose some by tag or path, or offer them in a collection with mode: meta`,
  ];
}

function stored({ createdAt, servers, ...row }: OpenApiDocumentRow) {
  return { ...row, createdAt: new Date(createdAt).toISOString(), servers: [...servers] };
}
