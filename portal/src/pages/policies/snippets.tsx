/** Policies to begin with, made of the groups and tools that there are. */
import { Button, Group, Select, Text } from '@mantine/core';
import { useState } from 'react';
import { useList } from '#portal/api/hooks.ts';
import { PickGroup } from '#portal/parts/pick.tsx';

interface SnippetsProps {
  readonly organization: string;
  readonly server: string | undefined;
  readonly onInsert: (text: string) => void;
}

const quoted = (text: string): string => JSON.stringify(text);

export function Snippets({ organization, server, onInsert }: SnippetsProps) {
  const [group, setGroup] = useState<string | null>(null);
  const [tool, setTool] = useState<string | null>(null);
  const pins = useList('listPins', { organization, limit: 1000, ...(server !== undefined && { server }) });
  const tools = [...new Set(pins.items.map((pin) => pin.tool))].sort();
  const who = group === null ? 'principal' : `principal in THVGroup::${quoted(group)}`;
  const what = tool === null ? 'resource' : `resource == Tool::${quoted(tool)}`;
  const action = tool === null ? 'action' : 'action == Action::"call_tool"';
  return (
    <div>
      <Text size="sm" fw={500}>
        Write one for me
      </Text>
      <Group gap="xs" align="flex-end">
        <PickGroup label="Who" placeholder="everybody" value={group} onChange={setGroup} clearable size="xs" />
        <Select
          label="Which tool"
          placeholder="all"
          size="xs"
          data={tools}
          value={tool}
          onChange={setTool}
          searchable
          clearable
          limit={200}
          clearButtonProps={{ 'aria-label': 'All tools' }}
          nothingFoundMessage="No such tool is known"
        />
        <Button size="xs" variant="default" onClick={() => onInsert(`permit(${who}, ${action}, ${what});`)}>
          Permit
        </Button>
        <Button size="xs" variant="default" onClick={() => onInsert(`forbid(${who}, ${action}, ${what});`)}>
          Forbid
        </Button>
        <Button
          size="xs"
          variant="default"
          onClick={() =>
            onInsert(
              `permit(${who}, action == Action::"call_tool", ${what})\nwhen { resource has readOnlyHint && resource.readOnlyHint };`,
            )
          }
        >
          Permit what only reads
        </Button>
      </Group>
    </div>
  );
}
