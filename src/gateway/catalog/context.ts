/** Under whose name a server is asked for what it has. */
import type { Route } from '#gateway/peers/link.ts';
import type { Binding } from '#records/snapshot.ts';

const texts = new WeakMap<Binding, string>();

/**
 * Who the server believes to talk to (MCP 2026-07-28 caching: the authorization context): with the organization's own
 * credential all members are one, whatever the server says of `public` and `private`, unless it hears who calls or has a
 * process for each caller. Nothing is ever shared beyond it, not even what a server calls public (SECURITY C3, C4).
 */
export function contextOf({ organization, binding, principal }: Route): string {
  const { server } = binding;
  const { transport } = server;
  const isPersonal = server.trusted || (transport.kind === 'stdio' && transport.state === 'stateful');
  const context = `${organization.id} ${textOf(binding)}`;
  return isPersonal ? `${context} ${principal.key}` : context;
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
  ]);
  texts.set(binding, text);
  return text;
}
