/** OpenAPI documents: from the records to an open upstream, and from outside into the records. */
import { readFile } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { openOpenApiReader, openOpenApiUpstream } from '#adapters/upstream/index.ts';
import type { Upstream, UpstreamTarget } from '#adapters/upstream/upstream.ts';
import type { OpenApiImport, ReadOpenApi } from '#admin/openapi-import.ts';
import type { Config } from '#config/load.ts';
import { GatehouseError, settingError } from '#core/error.ts';
import type { OpenApiTransport, ServerTransport } from '#core/transport.ts';
import type { Db } from '#db/schema.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';
import { argumentChecker } from '#gateway/catalog/meta/wrong-call.ts';
import { openEgress } from '#http/egress.ts';
import { findOpenApiDocument, putOpenApiDocument } from '#records/openapi-documents.ts';
import { proxySettings } from './proxy.ts';

type Options = Pick<
  Parameters<typeof openOpenApiUpstream>[0],
  'connections' | 'queue' | 'connect' | 'connectTimeoutMs'
>;

/** Idle threads end by themselves: nobody has to close it. */
const reader = openOpenApiReader();

const MAX_COMPILED_BYTES = 256 * 1024 * 1024;

type Api = Awaited<ReturnType<typeof reader.compile>>;

const sizeOf = ({ tools }: Api): number =>
  [...tools.values()].reduce((sum, { definition, plan }) => sum + definition.length + plan.length, 1000);

/** Compiled documents are kept by digest: however many servers use one, it is compiled once. */
export function openApiOpener(db: Db) {
  const compiled = new LRUCache<string, Api>({ max: 200, maxSize: MAX_COMPILED_BYTES, sizeCalculation: sizeOf });
  const pending = new Map<string, Promise<Api>>();

  function compile(digest: string, text: string): Promise<Api> {
    const known = compiled.get(digest) ?? pending.get(digest);
    if (known) return Promise.resolve(known);
    const compiling = reader.compile(text).finally(() => pending.delete(digest));
    pending.set(digest, compiling);
    return compiling.then((api) => {
      compiled.set(digest, api);
      return api;
    });
  }

  async function findApi({ org }: UpstreamTarget, { document }: OpenApiTransport) {
    // Whose it is decides, not who has seen it before.
    const text = await (org === undefined
      ? withPlatform(db, (scope) => findOpenApiDocument(scope, document))
      : withOrganization(db, org, (scope) => findOpenApiDocument(scope, document)));
    if (text === undefined) {
      throw new GatehouseError('upstream_unreachable', { cause: new Error('its OpenAPI document is not stored') });
    }
    return compile(document, text).catch((cause: unknown) => {
      throw new GatehouseError('upstream_unreachable', { cause });
    });
  }

  return (target: UpstreamTarget, transport: OpenApiTransport & ServerTransport, options: Options): Upstream =>
    openOpenApiUpstream({
      ...options,
      ...{ server: target.key, transport, readSchema: argumentChecker },
      findApi: () => findApi(target, transport),
    });
}

const MAX_BYTES = 10 * 1024 * 1024;
const MAX_REDIRECTS = 3;

/** For the admin API. Nothing that was opened stays open. */
export function openApiImport(config: Pick<Config, 'egress'>): OpenApiImport {
  const { allow } = config.egress;
  const proxy = proxySettings(config);
  return {
    read: reader.read,
    async fetch(url) {
      const egress = openEgress({ allow, proxy, maxBytes: MAX_BYTES, totalMs: 30_000 });
      try {
        return await fetchText(egress.fetch, url);
      } catch (cause) {
        // Refused, silent, not there: from outside it looks the same (SECURITY S5).
        throw new GatehouseError('bad_request', {
          message: 'The OpenAPI document cannot be fetched from there',
          cause,
        });
      } finally {
        await egress.close();
      }
    },
  };
}

/** Each hop is judged anew; nothing secret goes along. */
async function fetchText(fetch: typeof globalThis.fetch, url: string): Promise<string> {
  let at = url;
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const accept = 'application/json, application/yaml, text/yaml, */*;q=0.5';
    const answer = await fetch(at, { headers: { accept } });
    if (answer.status === 200) return answer.text();
    const location = answer.headers.get('location');
    await answer.body?.cancel();
    if (answer.status < 300 || answer.status >= 400 || location === null) throw new Error(`status ${answer.status}`);
    at = new URL(location, at).href;
  }
  throw new Error('too many redirects');
}

type FileServer = Config['servers'][number];

/** Servers as they are applied, with the documents that have to be there first. */
export interface ReadServers {
  readonly servers: readonly (Omit<FileServer, 'openapi' | 'transport'> & { readonly transport: ServerTransport })[];
  readonly documents: readonly ReadOpenApi[];
}

/** Documents that gatehouse.yaml names are stored; its servers then say which. Throws GatehouseError `setting`. */
export async function withOpenApi(config: Config, db: Db) {
  const { servers, documents } = await readServers(config, config.servers);
  await storeDocuments(db, documents);
  return { ...config, servers };
}

export async function storeDocuments(db: Db, documents: ReadServers['documents']): Promise<void> {
  for (const read of documents) await withPlatform(db, (scope) => putOpenApiDocument(scope, read));
}

/** Nothing is stored yet. Throws GatehouseError `setting`. */
export async function readServers(config: Pick<Config, 'egress'>, given: Config['servers']): Promise<ReadServers> {
  const importing = openApiImport(config);
  const documents: ReadOpenApi[] = [];
  const servers = await Promise.all(
    given.map(async ({ openapi, transport, ...server }) => {
      if (!openapi) {
        if (!transport) throw settingError(`gatehouse.yaml: server "${server.key}" has no transport`);
        return { ...server, transport };
      }
      const { file, from, document, url: where, ...selection } = openapi;
      const what = `gatehouse.yaml: the OpenAPI document of server "${server.key}"`;
      const read = await orSetting(what, async () => {
        const text =
          document ?? (file === undefined ? await importing.fetch(from ?? '') : await readFile(file, 'utf8'));
        return importing.read(text, { selection, at: from });
      });
      const url = where ?? read.url;
      if (url === undefined) throw settingError(`${what} does not say where its API is: add \`url\``);
      documents.push(read);
      return { title: read.title, ...server, transport: { kind: 'openapi', document: read.digest, url } as const };
    }),
  );
  return { servers, documents };
}

async function orSetting<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw settingError(`${what}: ${cause instanceof Error ? cause.message : 'it cannot be read'}`);
  }
}
