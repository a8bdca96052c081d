/** Under whose name a server is asked for what it has. */
import type { Route } from '#gateway/peers/link.ts';
import { type Binding, isOfCaller } from '#records/snapshot.ts';

const texts = new WeakMap<Binding, string>();

/**
 * Who the server believes to talk to (MCP 2026-07-28 caching: the authorization context): with the organization's own
 * credential all members are one, whatever the server says of `public` and `private`, unless it hears who calls or has a
 * process for each caller. Nothing is ever shared beyond it, not even what a server calls public (SECURITY C3, C4).
 */
export function contextOf({ organization, binding, principal, reach }: Route): string {
  const { server } = binding;
  const { transport } = server;
  const isPersonal =
    server.trusted || isOfCaller(binding) || (transport.kind === 'stdio' && transport.state === 'stateful');
  const context = `${organization.id} ${textOf(binding)}`;
  if (!isPersonal) return context;
  // A trusted server hears of groups, too, and may list by them.
  return `${context} ${principal.key}${server.trusted && reach ? ` ${reach.key}` : ''}`;
}

const sharedKinds: ReadonlySet<string> = new Set(['tools', 'prompts', 'hello']);

/**
 * Whose list it is. Where people use accounts of their own, an administrator may say that a server has the same tools and
 * prompts for all: whoever has no account yet then sees them as the last one who has did. Never resources.
 */
export function listContextOf(route: Route, kind: string): string {
  const { binding, organization } = route;
  const { server } = binding;
  const isShared = isOfCaller(binding) && server.auth?.listing === 'shared' && !server.trusted && sharedKinds.has(kind);
  return isShared ? `${organization.id} ${textOf(binding)}` : contextOf(route);
}

/** Bindings are immutable: once each. */
function textOf(binding: Binding): string {
  const known = texts.get(binding);
  if (known !== undefined) return known;
  const { id, server, partition, credential } = binding;
  const text = JSON.stringify([
    id,
    server.id,
    server.transport,
    server.route,
    server.trusted,
    partition,
    credential?.id,
    credential?.version,
    server.auth,
  ]);
  texts.set(binding, text);
  return text;
}
