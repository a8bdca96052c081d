/** Who may use the older gateway's admin API: judged as for a call, by the data plane's own rooms. */
import type { IncomingMessage } from 'node:http';
import type { FastifyPluginAsync } from 'fastify';
import { originOf } from '#admin/actor.ts';
import { compatHealthPlugin } from '#admin/compat/health.ts';
import { type S3Administrator, type S3PluginDeps, s3AdminPlugin } from '#admin/compat/plugin.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import { asOrgId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import { type AuthorizeDeps, authorize, checkAudience } from '#gateway/authorize.ts';
import type { Identifier } from '#gateway/identify.ts';
import { RestRequest } from '#gateway/rest/rest-request.ts';
import { addressGuard } from '#http/address-guard.ts';
import { checkWritten } from '#http/check-target.ts';
import type { AddressReader } from '#http/client-address.ts';
import { readHeaders } from '#http/headers.ts';
import type { AdminAudit } from './admin-audit.ts';
import type { DataPlane } from './data-plane.ts';
import { isConnected } from './is-connected.ts';
import { OPEN_WEBUI_COOKIE } from './rest.ts';
import type { Storage } from './storage.ts';

export interface CompatDeps {
  readonly storage: Pick<Storage, 'db' | 'vault'>;
  readonly plane: Pick<DataPlane, 'identifier' | 'judging' | 'limitStats'>;
  readonly takeStranger: S3AdminDeps['takeStranger'];
  readonly audit: AdminAudit;
  readonly readAddress: AddressReader;
  readonly baseUrl: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly sendPage: S3PluginDeps['sendPage'];
}

/** Of the gateways that this one replaces: their health answers and their admin API. */
export function compatPlugins(config: Config, deps: CompatDeps): readonly FastifyPluginAsync[] {
  const { storage, plane, clock } = deps;
  return [
    compatHealthPlugin({
      clock,
      isConnected: () => isConnected(storage.db),
      limits: plane.limitStats,
    }),
    s3AdminPlugin(
      s3AdminDeps(config, {
        ...deps,
        ...{ identifier: plane.identifier, judging: plane.judging },
      }),
    ),
  ];
}

interface S3AdminDeps {
  readonly storage: Pick<Storage, 'db' | 'vault'>;
  readonly identifier: Identifier;
  readonly judging: AuthorizeDeps;
  readonly takeStranger: (address: string, forwardedFor: string | undefined) => void | Promise<void>;
  readonly audit: AdminAudit;
  readonly readAddress: AddressReader;
  readonly baseUrl: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly sendPage: S3PluginDeps['sendPage'];
}

/** Open WebUI's administrators where they are bound to, and an organization's own (DESIGN ruling 18). */
const administrators: ReadonlySet<string> = new Set(['MCP-Admin', 'admin']);

function s3AdminDeps(config: Config, deps: S3AdminDeps): S3PluginDeps {
  const hasCookie = config.identity.some(({ kind }) => kind === 'shared-secret');
  const guard = addressGuard({ allow: config.egress.allow });
  return {
    db: deps.storage.db,
    vault: deps.storage.vault,
    now: () => deps.clock.now(),
    checkUrl: (url) => checkWritten(guard, url),
    ...deps.audit,
    log: deps.log,
    // Beside Open WebUI those are pages of its own.
    sendPage: config.openWebuiUrl === undefined ? deps.sendPage : undefined,
    maxBodyBytes: config.limits.request.adminBytes,
    async identify(request, unsafe) {
      try {
        return await findAdministrator(request, { ...deps, unsafe, hasCookie });
      } catch (thrown) {
        const error = asGatehouseError(thrown);
        if (error.row.http === 401)
          await deps.takeStranger(request.socket.remoteAddress ?? '', request.headers['x-forwarded-for']?.toString());
        throw error;
      }
    },
  };
}

interface Finding extends S3AdminDeps {
  readonly unsafe: boolean;
  readonly hasCookie: boolean;
}

async function findAdministrator(
  request: IncomingMessage,
  { identifier, judging, baseUrl, readAddress, unsafe, hasCookie }: Finding,
): Promise<S3Administrator> {
  const { rawHeaders, httpVersion } = request;
  // What only reads does no harm when a page from elsewhere asks: it learns nothing of the answer.
  const safe = unsafe ? [] : ['sec-fetch-site', 'same-origin'];
  const said = unsafe ? rawHeaders : withoutOrigins(rawHeaders);
  const asked = { ...bare(request), rawHeaders: [...said, ...safe] };
  const read = new RestRequest(asked, { cookie: hasCookie ? OPEN_WEBUI_COOKIE : undefined, baseUrl });
  const headers = readHeaders(read.rawHeaders, httpVersion);
  const url = new URL(request.url ?? '/', baseUrl);
  const caller = await identifier.identify(headers, { method: request.method ?? '', url: url.origin + url.pathname });
  const wish = { path: { organization: undefined, name: undefined }, selector: headers.organization };
  checkAudience(caller, wish);
  const { principal } = caller;
  if (principal.kind === 'user' && principal.scopes && !principal.scopes.includes('admin:*'))
    throw new GatehouseError('forbidden');
  const { organization, reach } = await authorize(caller, { ...wish, ...judging });
  const isAdministrator =
    principal.kind === 'api-key'
      ? principal.roles.includes('admin:*') && principal.endpoints === undefined
      : reach.roles.some((role) => administrators.has(role));
  if (!isAdministrator) throw new GatehouseError('forbidden');
  const from = originOf(request, readAddress);
  const by: S3Administrator['by'] =
    principal.kind === 'api-key' ? { kind: 'key', principal, from } : { kind: 'caller', who: principal, from };
  return { org: asOrgId(organization.id), by };
}

const bare = (request: IncomingMessage) => ({
  method: request.method,
  url: request.url,
  httpVersion: request.httpVersion,
  headers: {},
  socket: request.socket,
  destroyed: false,
  readableEnded: true,
  on: () => undefined,
});

const withoutOrigins = (rawHeaders: readonly string[]): string[] =>
  rawHeaders.flatMap((name, i) =>
    i % 2 === 0 && !/^(?:sec-fetch-site|origin)$/i.test(name) ? [name, rawHeaders[i + 1] ?? ''] : [],
  );
