/** The other ways in than one HTTP request for each message, given what they work with. */
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { type LegacySse, openLegacySse } from '#gateway/channel/legacy-sse.ts';
import { openWebSockets, type UpgradeHandler } from '#gateway/channel/web-socket.ts';
import type { McpHandler } from '#gateway/gateway.ts';
import { jsonLimits } from './gateway-settings.ts';

/** Beside as many calls as a caller may have: what answers a server's questions must get through. */
const BESIDE_CALLS = 16;

export interface Channels {
  readonly webSockets: UpgradeHandler;
  readonly legacySse: LegacySse;
}

export function openChannels(
  config: Config,
  { mcp, clock }: { readonly mcp: McpHandler; readonly clock: Clock },
): Channels {
  const { principal, request } = config.limits;
  return {
    webSockets: openWebSockets({
      mcp,
      clock,
      json: jsonLimits(config),
      maxMessageBytes: request.mcpBytes,
      maxInFlight: principal.concurrentCalls + BESIDE_CALLS,
    }),
    legacySse: openLegacySse({ mcp, clock }),
  };
}
