/** What one group gets of one server: nothing, everything, or the tools that are ticked. */
import { Alert, Badge, Button, Checkbox, Group, Modal, Radio, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { type Item, useRoute } from '#portal/api/hooks.ts';
import { Scrolling } from '#portal/parts/scrolling.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { type Access, type Cell, isSame } from './model.ts';

interface EditorProps {
  readonly cell: Cell | undefined;
  readonly access: Access;
  readonly onSet: (access: Access) => void;
  readonly onClose: () => void;
}

export function CellEditor({ cell, access, onSet, onClose }: EditorProps) {
  return (
    <Modal
      opened={cell !== undefined}
      onClose={onClose}
      title={cell ? `${cell.server} for ${cell.group}` : ''}
      size="lg"
    >
      {cell && <Editor key={`${cell.group} ${cell.server}`} {...{ cell, access, onSet, onClose }} />}
    </Modal>
  );
}

type Kind = 'none' | 'all' | 'some';

function Editor({ cell, access, onSet, onClose }: EditorProps & { readonly cell: Cell }) {
  const organization = useOrganization();
  const { data, isLoading } = useRoute('listServerTools', { organization, server: cell.server, limit: 1000 });
  const [kind, setKind] = useState<Kind>(typeof access === 'string' ? access : 'some');
  const [chosen, setChosen] = useState<readonly string[]>(typeof access === 'string' ? [] : access);
  const tools = data?.items ?? [];
  const next: Access = kind === 'some' ? chosen : kind;
  const isEmpty = kind === 'some' && chosen.length === 0;
  return (
    <Stack>
      <Radio.Group
        label="What this group may use of it"
        value={kind}
        onChange={(value) => setKind(value === 'all' || value === 'some' ? value : 'none')}
      >
        <Group mt={6} gap="lg">
          <Radio value="none" label="Nothing" />
          <Radio value="all" label="Everything, also later tools" />
          <Radio value="some" label="These tools" />
        </Group>
      </Radio.Group>
      {kind === 'some' && !isLoading && <ToolChoice {...{ tools, chosen, setChosen }} />}
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button
          disabled={isEmpty || isSame(next, access)}
          onClick={() => {
            onSet(next);
            onClose();
          }}
        >
          Apply
        </Button>
      </Group>
    </Stack>
  );
}

type Tool = Item<'listServerTools'>;

interface ChoiceProps {
  readonly tools: readonly Tool[];
  readonly chosen: readonly string[];
  readonly setChosen: (tools: readonly string[]) => void;
}

function ToolChoice({ tools, chosen, setChosen }: ChoiceProps) {
  const [search, setSearch] = useState('');
  const gone = chosen.filter((name) => !tools.some((tool) => tool.name === name));
  const shown = tools.filter(({ name, title }) =>
    `${name} ${title ?? ''}`.toLowerCase().includes(search.toLowerCase()),
  );
  if (tools.length === 0) return <TypedTools chosen={chosen} setChosen={setChosen} />;
  const readOnly = tools.filter((tool) => tool.readOnly).map(({ name }) => name);
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <Button size="xs" variant="default" disabled={readOnly.length === 0} onClick={() => setChosen(readOnly)}>
          Only read-only ({readOnly.length})
        </Button>
        <Button
          size="xs"
          variant="default"
          onClick={() => setChosen([...new Set([...chosen, ...shown.map(({ name }) => name)])])}
        >
          All shown
        </Button>
        <Button size="xs" variant="default" onClick={() => setChosen([])}>
          None
        </Button>
        <Text size="sm" c="dimmed" aria-live="polite">
          {chosen.length} of {tools.length} chosen
        </Text>
      </Group>
      {tools.length > 8 && (
        <TextInput
          aria-label="Search tools"
          placeholder="Search tools"
          value={search}
          onChange={({ currentTarget }) => setSearch(currentTarget.value)}
        />
      )}
      <ToolList {...{ tools: shown, chosen, setChosen }} />
      {gone.length > 0 && <Alert color="yellow">Chosen, and not seen at the server any more: {gone.join(', ')}</Alert>}
    </Stack>
  );
}

const ToolList = ({ tools, chosen, setChosen }: ChoiceProps) => (
  <Scrolling className="" label="Tools" style={{ maxHeight: 320, overflow: 'auto' }}>
    <Stack gap={6} p={4}>
      {tools.map(({ name, description, readOnly, destructive }) => (
        <Checkbox
          key={name}
          checked={chosen.includes(name)}
          onChange={({ currentTarget: { checked } }) =>
            setChosen(checked ? [...chosen, name] : chosen.filter((each) => each !== name))
          }
          label={
            <>
              {name}{' '}
              {readOnly && (
                <Badge size="xs" variant="light" color="green">
                  read-only
                </Badge>
              )}
              {destructive && (
                <Badge size="xs" variant="light" color="orange">
                  may destroy
                </Badge>
              )}
            </>
          }
          description={description?.slice(0, 160)}
        />
      ))}
    </Stack>
  </Scrolling>
);

/** Of a server that nobody has listed yet. */
const TypedTools = ({ chosen, setChosen }: Omit<ChoiceProps, 'tools'>) => (
  <TagsInput
    label="Tools"
    description="The tools of this server haven’t been seen yet: write the server’s own names. They are seen when somebody lists them."
    value={[...chosen]}
    onChange={setChosen}
  />
);
