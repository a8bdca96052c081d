/** What `${user.email}` and the like in rules for arguments stand for. */
import type { Principal } from '#core/principal.ts';
import type { TemplateValues } from '#mcp/shape.ts';
import type { OrganizationSnapshot } from '#records/snapshot.ts';

/** An API key is nobody: it has an id and no more. `groups`: read live; undefined: not known. */
export function templateValues(
  principal: Principal,
  { slug }: Pick<OrganizationSnapshot, 'slug'>,
  groups?: readonly string[],
): TemplateValues {
  if (principal.kind === 'api-key') return { user: { id: `key:${principal.keyId}` }, org: { slug }, claims: {} };
  const { subject: id, email, name, claims } = principal;
  return { user: { id, email, name, groups }, org: { slug }, claims };
}
