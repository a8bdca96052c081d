/** `POST /refresh` (REQUIREMENTS S3.21): members have lists fetched anew of what they may use, each server's once in a while. */
import type { ListKind } from '#gateway/catalog/lists.ts';
import { type Asking, routeTo } from '#gateway/engine/asking.ts';
import type { MethodDeps } from '#gateway/engine/methods.ts';
import type { Cooldown } from './cooldown.ts';

const kinds: readonly ListKind[] = ['tools', 'prompts', 'resources', 'templates'];

export async function refresh(asking: Asking, { lists }: MethodDeps, cooldown: Cooldown): Promise<void> {
  const routes = asking.view.parts
    .filter(({ binding }) => binding.server.enabled && cooldown.take(`${asking.organization.id} ${binding.id}`))
    .map(({ binding }) => routeTo(asking, binding));
  for (const route of routes) for (const kind of kinds) lists.invalidate(route, kind);
  await lists.read(routes, 'tools');
}
