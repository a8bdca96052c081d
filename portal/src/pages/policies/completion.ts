/** What can be written next in a policy: the words of the model (docs/guide/policies.md), and the tools and groups that there are. */
import { useMemo } from 'react';
import { useList } from '#portal/api/hooks.ts';
import type { Suggestion } from '#portal/parts/code-editor.tsx';

const words: readonly Suggestion[] = [
  ...['permit', 'forbid', 'when', 'unless', 'has', 'like', 'in', 'is', 'if', 'then', 'else'].map((label) => ({
    ...{ label, type: 'keyword' },
  })),
  ...['principal', 'action', 'resource', 'context'].map((label) => ({ label, type: 'variable' })),
  ...['call_tool', 'get_prompt', 'read_resource'].map((name) => ({ label: `Action::"${name}"`, type: 'enum' })),
  { label: 'resource.readOnlyHint', type: 'property', detail: 'the server says that it only reads' },
  { label: 'resource.destructiveHint', type: 'property', detail: 'the server says that it may destroy' },
  { label: 'resource.idempotentHint', type: 'property' },
  { label: 'resource.openWorldHint', type: 'property' },
  { label: 'resource.name', type: 'property' },
  { label: 'resource.uri', type: 'property', detail: 'of a resource' },
  { label: 'principal.claim_sub', type: 'property', detail: 'who calls' },
  { label: 'principal.claim_email', type: 'property' },
  { label: 'principal.claim_roles', type: 'property' },
  { label: 'principal.claim_groups', type: 'property' },
  { label: 'context.arg_', type: 'property', detail: 'an argument by its name' },
];

const quoted = (text: string): string => JSON.stringify(text);

export function useCedarSuggestions(organization: string, server: string | undefined): readonly Suggestion[] {
  const pins = useList('listPins', { organization, limit: 1000, ...(server !== undefined && { server }) });
  const groups = useList('listGroups', { organization, limit: 200, sort: 'name' });
  const servers = useList('listOrganizationServers', { organization, limit: 200, sort: 'server' });
  return useMemo(() => {
    const tools = [...new Set(pins.items.map(({ tool }) => tool))].sort();
    return [
      ...words,
      ...tools.map((tool) => ({ label: `Tool::${quoted(tool)}`, type: 'function' })),
      ...groups.items.map(({ name }) => ({ label: `THVGroup::${quoted(name)}`, type: 'type', detail: 'a group' })),
      ...servers.items.map((each) => ({ label: `MCP::${quoted(each.server)}`, type: 'class', detail: 'a server' })),
    ];
  }, [pins.items, groups.items, servers.items]);
}
