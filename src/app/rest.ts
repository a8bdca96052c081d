/** The REST façade, given what it works with. */
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import type { McpHandler } from '#gateway/gateway.ts';
import { openCooldown } from '#gateway/rest/cooldown.ts';
import { openRest, type Rest } from '#gateway/rest/rest.ts';
import { jsonLimits } from './gateway-settings.ts';

/** Between two times that a server is asked for its lists because somebody wants them anew. */
const REFRESH_MS = 10_000;

/** REQUIREMENTS S3.3: where Open WebUI keeps its session. */
export const OPEN_WEBUI_COOKIE = 'token';

export function openRestFacade(
  config: Config,
  { mcp, clock }: { readonly mcp: McpHandler; readonly clock: Clock },
): Rest {
  return openRest({
    mcp,
    json: jsonLimits(config),
    maxBodyBytes: config.limits.request.mcpBytes,
    cooldown: openCooldown({ clock, ms: REFRESH_MS }),
    metaTools: config.http.metaTools,
    cookie: config.identity.some(({ kind }) => kind === 'shared-secret') ? OPEN_WEBUI_COOKIE : undefined,
  });
}
