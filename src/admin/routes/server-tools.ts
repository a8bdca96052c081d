/** What is known of a server's tools, for those who choose among them. */
import { getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { findPlaces } from '#admin/policy-places.ts';
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type JsonObject } from '#core/json.ts';

export function serverToolHandlers({ records }: AdminDeps): Pick<Handlers, 'listServerTools'> {
  return {
    async listServerTools({ organization: ref, server: key }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const visible = await records.listServersOf(organization.id);
      const server = visible.find((row) => row.key === key);
      if (!server) throw new GatehouseError('not_found', { message: 'There is no such server for this organization' });
      const { tools } = await findPlaces(records, organization);
      const known = (tools.get(server.id) ?? []).map(shown);
      return { items: known.toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
    },
  };
}

function shown({ name, title, description, annotations }: JsonObject) {
  const hints = isJsonObject(annotations) ? annotations : {};
  const readOnly = hints.readOnlyHint === true;
  return {
    name: String(name),
    title: textOf(title) ?? textOf(hints.title),
    description: textOf(description),
    readOnly,
    destructive: !readOnly && hints.destructiveHint !== false,
  };
}

const textOf = (value: unknown): string | null => (typeof value === 'string' ? value : null);
