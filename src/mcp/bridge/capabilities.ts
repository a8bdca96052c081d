/** Who can do what, and who a server is: the handshake of legacy revisions and the modern `server/discover`. */
import { isJsonObject, type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { MODERN_VERSION } from '#mcp/versions.ts';
import { splitServerInfo, withServerInfo } from './envelope.ts';
import { compact, isSince, omit } from './objects.ts';
import { TASKS_EXTENSION } from './tasks.ts';

const legacyTasks: JsonObject = { cancel: {}, requests: { tools: { call: {} } } };

/** What `initialize` answers a client of `version`. `serverInfo`: where the discover result names none. */
export function toInitializeResult(discover: JsonObject, version: string, serverInfo: JsonObject): JsonObject {
  return compact({
    protocolVersion: version,
    capabilities: legacyServerCapabilities(objectIn(discover, 'capabilities') ?? {}, version),
    serverInfo: legacyImplementation(splitServerInfo(discover).serverInfo ?? serverInfo, version),
    instructions: stringIn(discover, 'instructions'),
  });
}

/** Completions are declared since 2025-03-26, tasks in 2025-11-25; extensions travel under their own key in all. */
function legacyServerCapabilities(capabilities: JsonObject, version: string): JsonObject {
  const extensions = objectIn(capabilities, 'extensions');
  const hasTasks = extensions?.[TASKS_EXTENSION] !== undefined && isSince(version, '2025-11-25');
  const own = omit(capabilities, isSince(version, '2025-03-26') ? ['extensions'] : ['extensions', 'completions']);
  return { ...own, ...someExtensions(extensions), ...(hasTasks && { tasks: legacyTasks }) };
}

/** All but tasks, which each era declares in its own way. */
function someExtensions(extensions: JsonObject | undefined): JsonObject {
  const others = omit(extensions ?? {}, [TASKS_EXTENSION]);
  return Object.keys(others).length > 0 ? { extensions: others } : {};
}

/** Titles since 2025-06-18; icons, descriptions and websites since 2025-11-25. For servers and clients. */
export function legacyImplementation(info: JsonObject, version: string): JsonObject {
  if (isSince(version, '2025-11-25')) return info;
  const late = ['icons', 'description', 'websiteUrl'];
  return omit(info, isSince(version, '2025-06-18') ? late : [...late, 'title']);
}

/** A legacy server's `initialize` result as what `server/discover` would have said. */
export function toDiscoverResult(initialized: JsonObject): JsonObject {
  const capabilities = objectIn(initialized, 'capabilities') ?? {};
  const calls = objectIn(objectIn(objectIn(capabilities, 'tasks'), 'requests'), 'tools')?.call !== undefined;
  const extensions = { ...objectIn(capabilities, 'extensions'), ...(calls && { [TASKS_EXTENSION]: {} }) };
  const own = omit(capabilities, ['tasks', 'extensions']);
  const result = compact({
    resultType: 'complete',
    supportedVersions: [MODERN_VERSION],
    capabilities: Object.keys(extensions).length > 0 ? { ...own, extensions } : own,
    instructions: stringIn(initialized, 'instructions'),
    ttlMs: 0,
    cacheScope: 'private',
  });
  const serverInfo = objectIn(initialized, 'serverInfo');
  return serverInfo ? withServerInfo(result, serverInfo) : result;
}

/**
 * What the gateway may declare for a client to a server of `version` (any revision): what the client declared (canonical
 * or legacy), what the revision knows, and what can be carried through. Client-side tasks can't.
 */
export function clientCapabilitiesFor(declared: JsonObject, version: string): JsonObject {
  const isModern = isSince(version, MODERN_VERSION);
  const { experimental, roots } = declared;
  const elicitation = elicitationFor(objectIn(declared, 'elicitation'), version);
  const extensions = objectIn(declared, 'extensions');
  return {
    ...omit(declared, ['experimental', 'roots', 'sampling', 'elicitation', 'tasks', 'extensions']),
    ...compact({
      experimental,
      roots: isModern && roots !== undefined ? {} : roots,
      sampling: samplingFor(objectIn(declared, 'sampling'), version),
      elicitation,
    }),
    ...(isModern ? compact({ extensions }) : someExtensions(extensions)),
  };
}

/** A legacy client's capabilities, from its `initialize`, in the canonical form. What its revision can't do doesn't count. */
export function toCanonicalClientCapabilities(declared: JsonObject, version: string): JsonObject {
  return clientCapabilitiesFor(clientCapabilitiesFor(declared, version), MODERN_VERSION);
}

function samplingFor(sampling: JsonObject | undefined, version: string): JsonObject | undefined {
  return sampling && !isSince(version, '2025-11-25') ? {} : sampling;
}

/** `{}` and no form beside no url mean forms. Forms since 2025-06-18, URLs since 2025-11-25. */
function elicitationFor(elicitation: JsonObject | undefined, version: string): JsonObject | undefined {
  if (!elicitation || !isSince(version, '2025-06-18')) return undefined;
  const hasUrl = objectIn(elicitation, 'url') !== undefined;
  const hasForm = objectIn(elicitation, 'form') !== undefined || !hasUrl;
  if (!isSince(version, '2025-11-25')) return hasForm ? {} : undefined;
  return hasForm && !objectIn(elicitation, 'form') ? { ...elicitation, form: {} } : elicitation;
}

/** Deeper settings aren't merged: the first stay. */
const maxDepth = 8;

/** Objects member by member, flags by or, lists as sets; of other values the first stays. */
export function mergeSettings(first: JsonObject, second: JsonObject, depth = 0): JsonObject {
  const added = Object.entries(second).map(([key, value]): [string, Json] => [
    key,
    Object.hasOwn(first, key) ? mergeValue(first[key] ?? null, value, depth) : value,
  ]);
  return { ...first, ...Object.fromEntries(added) };
}

function mergeValue(one: Json, other: Json, depth: number): Json {
  if (isJsonObject(one) && isJsonObject(other)) return depth < maxDepth ? mergeSettings(one, other, depth + 1) : one;
  if (typeof one === 'boolean' && typeof other === 'boolean') return one || other;
  if (!Array.isArray(one) || !Array.isArray(other)) return one;
  const seen = new Set(one.map((item) => JSON.stringify(item)));
  return [...one, ...other.filter((item) => !seen.has(JSON.stringify(item)))];
}
