/** Which tools of each server are published, under which names, with which arguments; and what that costs a model. */
import {
  Alert,
  Badge,
  Button,
  Code,
  Group,
  Select,
  Skeleton,
  Stack,
  Switch,
  Table,
  Text,
  TextInput,
} from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useState } from 'react';
import { useRoute } from '#portal/api/hooks.ts';
import { GreetingPanel } from '#portal/pages/servers/greeting.tsx';
import { isReadOnly, traitsOf } from '#portal/pages/servers/tool-traits.tsx';
import { Scrolling } from '#portal/parts/scrolling.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import type { DraftProps } from './collection-page.tsx';
import { type BindingDraft, type Collection, isPublished, publish, type Tools, withoutEmpty } from './draft.ts';
import { ToolDrawer } from './tool-drawer.tsx';

export type Tool = Readonly<Record<string, unknown>>;

export function ToolsTab({ draft, onChange, mayWrite, collection }: DraftProps & { readonly collection: Collection }) {
  const { bindings } = draft;
  const [server, setServer] = useState(bindings[0]?.server ?? '');
  const index = Math.max(
    0,
    bindings.findIndex((each) => each.server === server),
  );
  const binding = bindings[index];
  if (!binding) return null;
  const isSaved = collection.bindings.some((each) => each.server === binding.server);
  const set = (tools: Tools) =>
    onChange({ ...draft, bindings: bindings.map((each, i) => (i === index ? { ...each, tools } : each)) });
  return (
    <Stack>
      {bindings.length > 1 && (
        <Select
          label="Server"
          data={bindings.map((each) => each.server)}
          value={binding.server}
          onChange={(value) => setServer(value ?? '')}
          allowDeselect={false}
          w={280}
        />
      )}
      <OfServer
        key={binding.server}
        binding={binding}
        collection={isSaved ? collection.name : undefined}
        mayWrite={mayWrite}
        onChange={set}
      />
    </Stack>
  );
}

interface OfServerProps {
  readonly binding: BindingDraft;
  /** undefined: it is not in it yet. */
  readonly collection: string | undefined;
  readonly mayWrite: boolean;
  readonly onChange: (tools: Tools) => void;
}

function OfServer({ binding, collection, mayWrite, onChange }: OfServerProps) {
  const organization = useOrganization();
  const { data, error, refetch } = useRoute('getServerTools', {
    ...{ organization, server: binding.server },
    ...(collection !== undefined && { collection }),
  });
  if (error) return <ErrorPanel error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton h={200} />;
  if (data.state !== 'well')
    return (
      <Stack>
        <GreetingPanel greeting={data} />
        <Text size="sm">Its tools cannot be listed now. What is saved of them stays.</Text>
      </Stack>
    );
  return <Chooser binding={binding} all={data.tools} mayWrite={mayWrite} onChange={onChange} />;
}

interface ChooserProps {
  readonly binding: BindingDraft;
  readonly all: readonly Tool[];
  readonly mayWrite: boolean;
  readonly onChange: (tools: Tools) => void;
}

const nameOf = ({ name }: Tool): string => String(name);

function Chooser({ binding, all, mayWrite, onChange }: ChooserProps) {
  const { tools } = binding;
  const [search, setSearch] = useState('');
  const [open, setOpen] = useState<string>();
  const names = all.map(nameOf);
  const shown = all.filter((tool) => matches(nameOf(tool), search));
  const setAll = (some: readonly Tool[], on: boolean) =>
    onChange(publish(tools, names, new Map(some.map((tool) => [nameOf(tool), on]))));
  const opened = all.find((tool) => nameOf(tool) === open);
  return (
    <Stack>
      <Cost binding={binding} all={all} />
      <Group align="flex-end">
        <TextInput
          label="Search, or a pattern"
          placeholder="get_*"
          value={search}
          onChange={({ currentTarget }) => setSearch(currentTarget.value)}
        />
        {mayWrite && (
          <>
            <Button variant="default" onClick={() => setAll(shown, true)}>
              Publish {shown.length} shown
            </Button>
            <Button variant="default" onClick={() => setAll(shown, false)}>
              Hide {shown.length} shown
            </Button>
            <Button
              variant="default"
              onClick={() =>
                onChange(publish(tools, names, new Map(all.map((tool) => [nameOf(tool), isReadOnly(tool)]))))
              }
            >
              Only what reads
            </Button>
          </>
        )}
      </Group>
      {tools.choose !== undefined && (
        <Text size="sm" c="dimmed">
          Tools are chosen by name: what the server adds later waits until somebody publishes it.
        </Text>
      )}
      <Rows
        tools={tools}
        shown={shown}
        mayWrite={mayWrite}
        onSwitch={(tool, on) => setAll([tool], on)}
        onOpen={setOpen}
      />
      {opened && (
        <ToolDrawer
          tool={opened}
          binding={binding}
          mayWrite={mayWrite}
          onChange={onChange}
          onClose={() => setOpen(undefined)}
        />
      )}
    </Stack>
  );
}

/** `*` stands for anything; without one it is a part of the name. */
function matches(name: string, pattern: string): boolean {
  if (!pattern.includes('*')) return name.toLowerCase().includes(pattern.toLowerCase());
  const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 'i').test(name);
}

const manyTools = 128;

function Cost({ binding, all }: Pick<ChooserProps, 'binding' | 'all'>) {
  const organization = useOrganization();
  const [settled] = useDebouncedValue(binding, 400);
  const { data } = useRoute('previewTools', {
    ...{ organization, definitions: [...all], enforced: settled.enforced, tools: withoutEmpty(settled.tools) },
  });
  const count = all.filter((tool) => isPublished(binding.tools, nameOf(tool))).length;
  return (
    <Stack gap="xs">
      <Group gap="xs" role="status">
        <Badge variant="light" tt="none">
          {count} of {all.length} tools
        </Badge>
        {data && (
          <Badge variant="light" tt="none" color="gray">
            about {data.tokens.toLocaleString('en')} tokens in every conversation
          </Badge>
        )}
      </Group>
      {count > manyTools && (
        <Alert color="yellow" title="More than 128 tools">
          <Text size="sm">
            VS Code takes at most 128: publish fewer, or let clients search (Settings, What clients are shown).
          </Text>
        </Alert>
      )}
    </Stack>
  );
}

interface RowsProps {
  readonly tools: Tools;
  readonly shown: readonly Tool[];
  readonly mayWrite: boolean;
  readonly onSwitch: (tool: Tool, on: boolean) => void;
  readonly onOpen: (name: string) => void;
}

const Rows = ({ tools, shown, mayWrite, onSwitch, onOpen }: RowsProps) => (
  <Scrolling label="Tools">
    <Table aria-label="Tools" stickyHeader>
      <Table.Thead>
        <Table.Tr>
          <Table.Th w={90}>Published</Table.Th>
          <Table.Th>Tool</Table.Th>
          <Table.Th>What it does</Table.Th>
          <Table.Th>
            <span className="for-readers">What can be done</span>
          </Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {shown.map((tool) => {
          const name = nameOf(tool);
          const anew = tools.rename?.[name];
          const rules = Object.keys(tools.arguments?.[name] ?? {}).length;
          return (
            <Table.Tr key={name}>
              <Table.Td>
                <Switch
                  aria-label={`${name} is published`}
                  checked={isPublished(tools, name)}
                  disabled={!mayWrite}
                  onChange={({ currentTarget }) => onSwitch(tool, currentTarget.checked)}
                />
              </Table.Td>
              <Table.Td>
                <Code>{anew?.name ?? name}</Code>
                {anew?.name !== undefined && (
                  <Text size="xs" c="dimmed">
                    was {name}
                  </Text>
                )}
              </Table.Td>
              <Table.Td>
                <Text size="sm" lineClamp={2}>
                  {anew?.description ?? (typeof tool.description === 'string' ? tool.description : '')}
                </Text>
                <Group gap={4}>
                  {traitsOf(tool)}
                  {rules > 0 && (
                    <Badge size="xs" tt="none" variant="light">
                      {rules} fixed or bounded
                    </Badge>
                  )}
                </Group>
              </Table.Td>
              <Table.Td>
                <Button size="compact-xs" variant="default" onClick={() => onOpen(name)} aria-label={`Edit ${name}`}>
                  Edit
                </Button>
              </Table.Td>
            </Table.Tr>
          );
        })}
      </Table.Tbody>
    </Table>
  </Scrolling>
);
