/** Several servers seen as one: what they can do together, and what their authors want a model to know. */
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { MODERN_VERSION } from '#mcp/versions.ts';
import { mergeSettings } from './capabilities.ts';
import { withServerInfo } from './envelope.ts';
import { compact, numberOf } from './objects.ts';

export interface DiscoverPart {
  /** Names of this server's tools begin with it; empty: as they are. */
  readonly prefix: string;
  /** A canonical discover result. */
  readonly discover: JsonObject;
}

export interface GatewayIdentity {
  readonly serverInfo: JsonObject;
  /** Of the whole endpoint; stands before the servers' own. */
  readonly instructions?: string;
}

/** Characters of instructions: clients put them into every prompt. */
const maxInstructions = { each: 4_000, all: 16_000 };

export function mergeDiscover(parts: readonly DiscoverPart[], gateway: GatewayIdentity): JsonObject {
  const merged = parts.reduce<JsonObject>(
    (all, { discover }) => mergeSettings(all, objectIn(discover, 'capabilities') ?? {}),
    {},
  );
  const isPublic = parts.length > 0 && parts.every(({ discover }) => discover.cacheScope === 'public');
  const result = compact({
    resultType: 'complete',
    supportedVersions: [MODERN_VERSION],
    capabilities: merged,
    instructions: mergeInstructions(parts, gateway.instructions),
    ttlMs: parts.length > 0 ? Math.min(...parts.map(({ discover }) => numberOf(discover.ttlMs) ?? 0)) : 0,
    cacheScope: isPublic ? 'public' : 'private',
  });
  return withServerInfo(result, gateway.serverInfo);
}

/** One server's text alone stays as it is; of several each gets a heading by its prefix. */
function mergeInstructions(parts: readonly DiscoverPart[], own: string | undefined): string | undefined {
  const told = parts.flatMap(({ prefix, discover }) => {
    const text = stringIn(discover, 'instructions')?.trim();
    return text ? [{ prefix, text: cut(text, maxInstructions.each) }] : [];
  });
  const headed = parts.length > 1;
  const sections = told.map(({ prefix, text }) => (headed && prefix !== '' ? `## ${prefix}\n${text}` : text));
  const all = [...(own ? [own] : []), ...sections];
  return all.length > 0 ? cut(all.join('\n\n'), maxInstructions.all) : undefined;
}

function cut(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…` : text;
}
