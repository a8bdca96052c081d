/** Which server a published name means, and what it calls it. */
import { GatehouseError } from '#core/error.ts';
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { type Asking, routeTo } from '#gateway/engine/asking.ts';
import { notEnabled } from '#gateway/not-enabled.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import { decodeUri } from '#mcp/bridge/uris.ts';
import { realToolName } from '#mcp/shape/names.ts';
import type { Binding, EndpointPart } from '#records/snapshot.ts';
import type { ListKind, Lists } from './lists.ts';
import { collect, type Merged } from './merge.ts';
import type { Place } from './pages.ts';
import { isPinned } from './pinned-lists.ts';
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

/** Throws RpcError -32602 for a name that nobody has, or that is not published. */
async function findNamed(
  asking: Asking,
  { kind, name }: { readonly kind: ListKind; readonly name: string },
  lists: Lists,
): Promise<Found> {
  const possible = candidates(asking.view, name).flatMap(({ part, name: published }) => {
    const real = kind === 'tools' ? realToolName(published, part.binding.shaping) : published;
    return real === undefined ? [] : [{ part, real }];
  });
  const isJudged = asking.view.endpoint.rights?.hasPolicy === true;
  const unread = possible.filter(({ part }) => kind === 'tools' && (isJudged || needsDefinition(part.binding)));
  if (unread.length > 0)
    await lists.read(
      unread.map(({ part }) => routeTo(asking, part.binding)),
      kind,
    );
  const inMemory = possible.map(({ part, real }) => ({
    part,
    name: real,
    definition: define(asking, { part, kind, real }, lists),
  }));
  const known = inMemory.find(({ definition }) => definition !== undefined);
  if (known) return known;
  // A server knows best what it has: where it can only be one, it is asked. Not where only approved definitions count.
  const open = inMemory.filter(({ part }) => kind !== 'tools' || !isPinned(part.binding));
  const [only, ...others] = open;
  if (only && others.length === 0 && inMemory.length === 1) return only;
  const { merged, parts, missing } = await collect(asking, kind, lists);
  const at = merged.items.findIndex((item) => item.name === name);
  const place = merged.places[at] ?? (kind === 'tools' ? placeForApp(merged, name) : undefined);
  const part = place && parts[place.part];
  if (part) {
    const definition = lists.peek(routeTo(asking, part.binding), kind)?.byKey.get(place.key);
    return { part, name: place.key, definition };
  }
  if (only) return only;
  // It may well have it: what it may call it, and what of that is approved, cannot be told now.
  if (inMemory.some(({ part: { label } }) => missing.includes(label))) throw new GatehouseError('upstream_unreachable');
  checkNotClosed(asking, name);
  throw unknown(kind, name);
}

/** Among everything, a name of a server that the organization has not enabled. No server key has an underscore. */
function checkNotClosed({ call, view }: Asking, name: string): void {
  const server = view.endpoint.closed?.get(name.slice(0, Math.max(0, name.indexOf('_'))));
  if (!server) return;
  call.server = server.key;
  throw notEnabled(server);
}

/** What its definition says decides what becomes of a call. */
const needsDefinition = (binding: Binding) => isPinned(binding) || binding.shaping?.confirm === 'destructive';

/**
 * An app calls the tools of its own server by their own names (SEP-1865) and knows no prefixes. Undefined where more than
 * one server publishes such a tool: the call must not end at another server than the app's.
 */
function placeForApp({ items, places }: Merged, name: string): Place | undefined {
  const having = places.flatMap((place, i) => (place.key === name ? [{ place, item: items[i] }] : []));
  const [only, ...others] = having;
  if (!only?.item || others.length > 0) return undefined;
  const visibility = objectIn(objectIn(only.item, '_meta'), 'ui')?.visibility;
  return Array.isArray(visibility) && visibility.includes('app') ? only.place : undefined;
}

function define(
  asking: Asking,
  { part, kind, real }: { readonly part: EndpointPart; readonly kind: ListKind; readonly real: string },
  lists: Lists,
) {
  return lists.peek(routeTo(asking, part.binding), kind)?.byKey.get(real);
}

/** Whether its server is known to have no such tool. */
export function isMissing(asking: Asking, { part, name }: Found, lists: Lists): boolean {
  const held = lists.peek(routeTo(asking, part.binding), 'tools');
  return held !== undefined && !held.byKey.has(name);
}

export const unknownTool = (name: string) => unknown('tools', name);

const unknown = (kind: ListKind, name: string) =>
  new RpcError(-32602, `Unknown ${kind === 'tools' ? 'tool' : 'prompt'}: ${name.slice(0, 200)}`);

/** Throws RpcError -32602 for a URI that no server can have. */
export async function findResource(asking: Asking, uri: string, lists: Lists): Promise<Found> {
  const { parts } = asking.view;
  if (uri.length > MAX_URI_CHARACTERS) throw notFound(uri);
  const decoded = decodeUri(uri);
  // Of two plain servers with the same URI, the later one's stands under its label.
  const named = decoded && parts.find(({ prefix, label }) => (prefix || label) === decoded.prefix);
  if (named && decoded) return { part: { ...named, prefix: decoded.prefix }, name: decoded.uri, definition: undefined };
  const open = parts.filter(({ prefix }) => prefix === '' || /^(?:https?|data):/i.test(uri));
  const [only, ...others] = open;
  if (only && others.length === 0) return { part: only, name: uri, definition: undefined };
  // What is disabled is not even asked.
  const enabled = open.filter(({ binding }) => binding.server.enabled);
  const routes = enabled.map(({ binding }) => routeTo(asking, binding));
  for (const kind of kindsNaming(uri)) {
    const got = await lists.read(routes, kind);
    const i = got.findIndex(
      ({ held }) => held?.byKey.has(uri) || held?.items.some((item) => names(item, { kind, uri })),
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

/** Pages of apps and files of skills need not be listed as resources. */
function kindsNaming(uri: string): readonly ListKind[] {
  const others: readonly ListKind[] = uri.startsWith('ui:') ? ['tools'] : uri.startsWith('skill:') ? ['skills'] : [];
  return ['resources', 'templates', ...others];
}

function names(item: JsonObject, { kind, uri }: { readonly kind: ListKind; readonly uri: string }): boolean {
  if (kind === 'templates') return matches(item, uri);
  if (kind === 'tools') {
    const meta = objectIn(item, '_meta');
    return objectIn(meta, 'ui')?.resourceUri === uri || meta?.['ui/resourceUri'] === uri;
  }
  const folder = kind === 'skills' ? stringIn(item, 'uri')?.replace(/[^/]*$/, '') : undefined;
  return folder !== undefined && uri.startsWith(folder);
}

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
