/** Many servers' lists as one: in the order of the parts, each by name; what is old or missing is said in `_meta`. */
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { type Asking, routeTo } from '#gateway/engine/asking.ts';
import { fromServer } from '#gateway/engine/mapping.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import { mergeDiscover } from '#mcp/bridge/merge-discover.ts';
import type { EndpointPart } from '#records/snapshot.ts';
import type { Got, ListKind, Lists } from './lists.ts';
import { publishedName } from './names.ts';

export const STALE_KEY = 'io.gatehouse/stale';
export const MISSING_KEY = 'io.gatehouse/missing';

const members: Readonly<Record<ListKind, string>> = {
  tools: 'tools',
  prompts: 'prompts',
  resources: 'resources',
  templates: 'resourceTemplates',
  skills: 'skills',
};

export async function mergeList(
  asking: Asking,
  { kind, params }: { readonly kind: ListKind; readonly params: JsonObject },
  lists: Lists,
): Promise<JsonObject> {
  const parts = asking.view.parts.filter(({ binding }) => binding.server.enabled);
  const got = await lists.read(
    parts.map(({ binding }) => routeTo(asking, binding)),
    kind,
  );
  if (params.cursor !== undefined) throw new RpcError(-32602, 'Invalid cursor');
  const items = published(parts, got, kind);
  const named = (wanted: (one: Got) => boolean) =>
    parts.filter((_part, i) => wanted(got[i] ?? { held: undefined, stale: true })).map(({ label }) => label);
  const missing = named(({ held }) => held === undefined);
  const stale = named(({ held, stale: old }) => held !== undefined && old);
  const ttls = got.flatMap(({ held }) => (held ? [held.ttlMs] : []));
  const meta = {
    ...(stale.length > 0 ? { [STALE_KEY]: stale } : {}),
    ...(missing.length > 0 ? { [MISSING_KEY]: missing } : {}),
  };
  return {
    resultType: 'complete',
    [members[kind]]: items,
    ttlMs: missing.length + stale.length > 0 ? 0 : Math.min(MAX_TTL_MS, ...ttls),
    cacheScope: 'private',
    ...(Object.keys(meta).length > 0 ? { _meta: meta } : {}),
  };
}

/** Changes of rights show in lists no later than this. */
const MAX_TTL_MS = 30_000;

function published(parts: readonly EndpointPart[], got: readonly Got[], kind: ListKind): readonly JsonObject[] {
  const taken = new Set<string>();
  return parts.flatMap((part, i) =>
    (got[i]?.held?.items ?? []).flatMap((item) => {
      const one = publish(item, part, kind);
      const key =
        stringIn(
          one,
          kind === 'resources' || kind === 'skills' ? 'uri' : kind === 'templates' ? 'uriTemplate' : 'name',
        ) ?? '';
      if (!taken.has(key)) {
        taken.add(key);
        return [one];
      }
      // Plain names: the earlier binding has it, this one's stands under its label.
      const labelled = publish(item, { ...part, prefix: part.label }, kind);
      return [labelled];
    }),
  );
}

function publish(item: JsonObject, part: EndpointPart, kind: ListKind): JsonObject {
  const member = members[kind];
  const list = fromServer(`${kind === 'templates' ? 'resources/templates' : kind}/list`, { [member]: [item] }, part)[
    member
  ];
  const mapped = Array.isArray(list) ? (list[0] as JsonObject) : item;
  const name = stringIn(mapped, 'name');
  return (kind === 'tools' || kind === 'prompts') && name !== undefined
    ? { ...mapped, name: publishedName(part, name) }
    : mapped;
}

export async function mergeHello(asking: Asking, lists: Lists): Promise<JsonObject> {
  const parts = asking.view.parts.filter(({ binding }) => binding.server.enabled);
  const hellos = await lists.readHello(parts.map(({ binding }) => routeTo(asking, binding)));
  const said = parts.flatMap(({ label }, i) => {
    const discover = hellos[i];
    return discover ? [{ prefix: parts.length > 1 ? label : '', discover }] : [];
  });
  const merged = mergeDiscover(said, gateway);
  return {
    ...merged,
    capabilities: capabilitiesOf(merged, said.length < parts.length),
    ttlMs: 0,
    cacheScope: 'private',
  };
}

const gateway = { serverInfo: { name: 'gatehouse', title: 'Gatehouse', version: '1' } };

/** Whoever didn't answer yet may have anything. The gateway itself tells when lists change. */
function capabilitiesOf(merged: JsonObject, isPartial: boolean): JsonObject {
  const said = objectIn(merged, 'capabilities') ?? {};
  const kinds = (['tools', 'prompts', 'resources'] as const).flatMap((kind) =>
    said[kind] === undefined && !isPartial ? [] : [[kind, { ...objectIn(said, kind), listChanged: true }] as const],
  );
  return { ...said, ...Object.fromEntries(kinds) };
}
