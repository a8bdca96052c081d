/** How the servers are that somebody may use: judged as for a call (REQUIREMENTS S4.9, DESIGN ruling 12). */
import type { IncomingMessage } from 'node:http';
import { asGatehouseError } from '#core/error.ts';
import { type AuthorizeDeps, authorize, checkAudience } from '#gateway/authorize.ts';
import type { Health } from '#gateway/health/health.ts';
import type { Identifier } from '#gateway/identify.ts';
import { readHeaders } from '#http/headers.ts';

interface ServerHealthDeps {
  readonly identifier: Identifier;
  readonly judging: AuthorizeDeps;
  readonly health: Pick<Health, 'find'>;
  readonly takeStranger: (address: string, forwardedFor: string | undefined) => void | Promise<void>;
  readonly baseUrl: string;
}

type ByKey = Readonly<Record<string, object>>;

/** Nothing for whoever may use nothing. Rejects `rate_limited` for guesses only. */
export function openServerHealth(deps: ServerHealthDeps): (request: IncomingMessage) => Promise<ByKey> {
  return async (request) => {
    const { authorization, 'x-api-key': key } = request.headers;
    if (authorization === undefined && key === undefined) return {};
    try {
      return await findServers(request, deps);
    } catch (thrown) {
      const { row } = asGatehouseError(thrown);
      const { socket, headers } = request;
      if (row.http === 401) await deps.takeStranger(socket.remoteAddress ?? '', headers['x-forwarded-for']?.toString());
      // A probe with an old token still wants to know whether the gateway is there.
      if (row.http < 500) return {};
      throw thrown;
    }
  };
}

async function findServers(request: IncomingMessage, { identifier, judging, health, baseUrl }: ServerHealthDeps) {
  const headers = readHeaders(request.rawHeaders, request.httpVersion);
  const caller = await identifier.identify(headers, { method: request.method ?? '', url: `${baseUrl}/health` });
  const wish = { path: { organization: undefined, name: undefined }, selector: headers.organization };
  checkAudience(caller, wish);
  const { organization, endpoint } = await authorize(caller, { ...wish, ...judging });
  const open = endpoint.bindings.filter(({ server }) => server.enabled);
  return Object.fromEntries(open.map((binding) => [binding.server.key, health.find(organization.id, binding)]));
}
