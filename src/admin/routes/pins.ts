import { getOrganization } from '#admin/actor.ts';
import type { ParsedInput } from '#admin/contract.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { Pin } from '#admin/nouns.ts';
import type { AdminRecords, OrganizationRow, ServerRow } from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import { type JsonObject, parseJsonObject } from '#core/json.ts';
import { definitionDiff } from '#mcp/shape/definition.ts';
import { visibleText } from '#mcp/shape/hidden-characters.ts';
import type { PinDecision, PinnedDefinition, ToolPin } from '#records/tool-pins.ts';

export function pinHandlers({ records }: AdminDeps): Pick<Handlers, 'listPins' | 'approvePin' | 'rejectPin'> {
  return {
    async listPins({ organization: ref, server, state }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const keys = new Map((await visibleServers(records, organization)).map((row) => [row.id, row.key]));
      const items = (await records.listPins(organization.id)).map((pin) =>
        shown(pin, keys.get(pin.server) ?? pin.server),
      );
      return {
        items: items.filter(
          (pin) => (server === undefined || pin.server === server) && (state === undefined || pin.state === state),
        ),
      };
    },
    async approvePin(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const decision = await decisionOf(records, organization, input);
      return shown(await records.approvePin(organization.id, decision), input.server);
    },
    async rejectPin(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const decision = await decisionOf(records, organization, input);
      return shown(await records.rejectPin(organization.id, decision), input.server);
    },
  };
}

async function visibleServers(records: AdminRecords, { id: org }: OrganizationRow): Promise<readonly ServerRow[]> {
  return records.listServersOf(org);
}

async function decisionOf(
  records: AdminRecords,
  organization: OrganizationRow,
  { server: key, partition = '', tool, hash }: ParsedInput<'approvePin'>,
): Promise<PinDecision> {
  const server = (await visibleServers(records, organization)).find((row) => row.key === key);
  if (server) return { server: server.id, partition, tool, hash };
  throw new GatehouseError('not_found', {
    message: `There is no server "${key}": list the pins of the organization to see whose tools wait`,
  });
}

function shown(pin: ToolPin, server: string): Pin {
  const { partition, tool, approved, held, rejectedHash, flags } = pin;
  const changes = held ? definitionDiff(approved && definitionOf(approved), definitionOf(held)) : [];
  return {
    server,
    partition: partition === '' ? null : partition,
    tool,
    state: held ? 'waiting' : rejectedHash === undefined ? 'approved' : 'rejected',
    approved: approved ? { hash: approved.hash, at: new Date(approved.at).toISOString() } : null,
    held: held ? { hash: held.hash, at: new Date(held.at).toISOString() } : null,
    changes: changes.map(({ before, after, ...change }) => ({
      ...change,
      before: before ?? null,
      after: after ?? null,
    })),
    hiddenCharacters: flags.map((flag) => ({ ...flag })),
  };
}

function definitionOf({ text }: PinnedDefinition): JsonObject {
  try {
    return parseJsonObject(text);
  } catch {
    return { description: visibleText(text) };
  }
}
