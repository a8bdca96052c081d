/** Which server a published name means, and what it calls it. */
import type { JsonObject } from '#core/json.ts';
import { type Asking, routeTo } from '#gateway/engine/asking.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import { decodeUri } from '#mcp/bridge/uris.ts';
import type { EndpointPart } from '#records/snapshot.ts';
import type { ListKind, Lists } from './lists.ts';
import { collect } from './merge.ts';
import { candidates } from './view.ts';

export interface Found {
  readonly part: EndpointPart;
  /** The server's own name or URI of it. */
  readonly name: string;
  /** As the server published it last, where it is known. */
  readonly definition: JsonObject | undefined;
}

export const findTool = (asking: Asking, name: string, lists: Lists) =>
  findNamed(asking, { kind: 'tools', name }, lists);
export const findPrompt = (asking: Asking, name: string, lists: Lists) =>
  findNamed(asking, { kind: 'prompts', name }, lists);

/** Throws RpcError -32602 for a name that nobody has. */
async function findNamed(
  asking: Asking,
  { kind, name }: { readonly kind: ListKind; readonly name: string },
  lists: Lists,
): Promise<Found> {
  const possible = candidates(asking.view, name);
  const inMemory = possible.map(({ part, name: real }) => ({
    part,
    name: real,
    definition: define(asking, { part, kind, real }, lists),
  }));
  const known = inMemory.find(({ definition }) => definition !== undefined);
  if (known) return known;
  const [only, ...others] = inMemory;
  // A server knows best what it has: where it can only be one, it is asked.
  if (only && others.length === 0) return only;
  const { merged, parts } = await collect(asking, kind, lists);
  const at = merged.items.findIndex((item) => item.name === name);
  const place = merged.places[at];
  const part = place && parts[place.part];
  if (part) {
    const definition = lists.peek(routeTo(asking, part.binding), kind)?.byKey.get(place.key);
    return { part, name: place.key, definition };
  }
  if (only) return only;
  throw unknown(kind, name);
}

function define(
  asking: Asking,
  { part, kind, real }: { readonly part: EndpointPart; readonly kind: ListKind; readonly real: string },
  lists: Lists,
) {
  return lists.peek(routeTo(asking, part.binding), kind)?.byKey.get(real);
}

const unknown = (kind: ListKind, name: string) =>
  new RpcError(-32602, `Unknown ${kind === 'tools' ? 'tool' : 'prompt'}: ${name.slice(0, 200)}`);

/** Throws RpcError -32602 for a URI that no server can have. */
export async function findResource(asking: Asking, uri: string, lists: Lists): Promise<Found> {
  const { parts } = asking.view;
  if (uri.length > MAX_URI_CHARACTERS) throw notFound(uri);
  const decoded = decodeUri(uri);
  const named = decoded && parts.find(({ prefix }) => prefix === decoded.prefix);
  if (named && decoded) return { part: named, name: decoded.uri, definition: undefined };
  const open = parts.filter(({ prefix }) => prefix === '' || /^(?:https?|data):/i.test(uri));
  const [only, ...others] = open;
  if (only && others.length === 0) return { part: only, name: uri, definition: undefined };
  // What is disabled is not even asked.
  const enabled = open.filter(({ binding }) => binding.server.enabled);
  const routes = enabled.map(({ binding }) => routeTo(asking, binding));
  for (const kind of ['resources', 'templates'] as const) {
    const got = await lists.read(routes, kind);
    const i = got.findIndex(({ held }) =>
      kind === 'resources' ? held?.byKey.has(uri) : held?.items.some((item) => matches(item, uri)),
    );
    const part = enabled[i];
    if (part) return { part, name: uri, definition: undefined };
  }
  if (only) return { part: only, name: uri, definition: undefined };
  throw notFound(uri);
}

/** Templates of servers are compared with it one by one. */
const MAX_URI_CHARACTERS = 16_384;
const notFound = (uri: string) => new RpcError(-32602, `Resource not found: ${uri.slice(0, 500)}`);

/** RFC 6570, as far as it can be told backwards: literal parts in their order. */
function matches({ uriTemplate }: JsonObject, uri: string): boolean {
  if (uriTemplate === uri) return true;
  const literals = String(uriTemplate).split(/\{[^{}]*\}/);
  let at = 0;
  for (const [i, literal] of literals.entries()) {
    const found = i === 0 ? (uri.startsWith(literal) ? 0 : -1) : uri.indexOf(literal, at);
    if (found < 0) return false;
    at = found + literal.length;
  }
  const last = literals.at(-1) ?? '';
  return literals.length > 1 && uri.endsWith(last);
}
