/** Which era a server's children speak: asked once of a fresh child, and dated, because servers are updated. */

import type { Connection } from '#adapters/upstream/message-stream/connection.ts';
import { membersOf, rawOf } from '#adapters/upstream/message-stream/line.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { findMember } from '#mcp/message.ts';
import { MODERN_VERSION } from '#mcp/versions.ts';

/** The server speaks only the legacy era. */
export class LegacyOnly extends Error {}

const probe = Buffer.from(
  JSON.stringify({
    _meta: {
      'io.modelcontextprotocol/protocolVersion': MODERN_VERSION,
      'io.modelcontextprotocol/clientCapabilities': {},
      'io.modelcontextprotocol/clientInfo': { name: 'gatehouse', version: '1' },
    },
  }),
);

export interface EraProbe {
  /** A verdict of `legacy` that is still fresh. */
  readonly isLegacy: boolean;
  /** Throws LegacyOnly, or GatehouseError `upstream_unreachable` when the child could not even be started. */
  check(connection: Connection): Promise<void>;
}

export function openEraProbe(options: {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** How long a verdict of `legacy` holds: a stale one would silently succeed for ever. */
  readonly legacyTtlMs: number;
}): EraProbe {
  let modern = false;
  let legacyUntil = Number.NEGATIVE_INFINITY;
  return {
    get isLegacy() {
      return !modern && options.clock.monotonic() < legacyUntil;
    },
    async check(connection) {
      if (modern) return;
      if (await speaksModern(connection, options.timeoutMs)) {
        modern = true;
        return;
      }
      if (connection.unspawned) throw new GatehouseError('upstream_unreachable');
      legacyUntil = options.clock.monotonic() + options.legacyTtlMs;
      throw new LegacyOnly();
    },
  };
}

/** PROTOCOL 1.6: any error, timeout or exit means legacy. */
async function speaksModern(connection: Connection, timeoutMs: number): Promise<boolean> {
  try {
    const line = await connection.ask('server/discover', probe, timeoutMs);
    const versions = findMember(membersOf(line, findMember(line.members, 'result')), 'supportedVersions');
    return versions !== undefined && rawOf(line, versions).includes(`"${MODERN_VERSION}"`);
  } catch {
    return false;
  }
}
