/** Tools of a server: what it offers, what is blocked here, and definitions that changed and wait for somebody. */
import { Badge, Button, Checkbox, Code, Group, Stack, Table, Text, TextInput, Title } from '@mantine/core';
import { useState } from 'react';
import { useChange, useRoute } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { Scrolling } from '#portal/parts/scrolling.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { GreetingPanel } from './greeting.tsx';
import type { ServerItem } from './overview-tab.tsx';
import { Pins } from './pins.tsx';
import { traitsOf } from './tool-traits.tsx';

export function ToolsTab({ item }: { readonly item: ServerItem }) {
  const { organization, server } = item;
  const session = useSession();
  const asked = useRoute('getServerTools', { organization, server }, { enabled: item.enablement?.enabled === true });
  return (
    <Stack>
      {isAllowed(session, 'admin:pins:read', organization) && <Pins organization={organization} server={server} />}
      <Title order={2} size="h4">
        What it offers now
      </Title>
      {item.enablement?.enabled !== true && <Text c="dimmed">It is off: switch it on to see its tools.</Text>}
      {asked.isFetching && <Text c="dimmed">Asking it…</Text>}
      {asked.error && <ErrorPanel error={asked.error} retry={() => void asked.refetch()} />}
      {asked.data && asked.data.state !== 'well' && <GreetingPanel greeting={asked.data} />}
      {asked.data?.state === 'well' && <Offered item={item} tools={asked.data.tools} />}
    </Stack>
  );
}

interface OfferedProps {
  readonly item: ServerItem;
  readonly tools: readonly Readonly<Record<string, unknown>>[];
}

function Offered({ item, tools }: OfferedProps) {
  const { organization, server, enablement, blockedTools } = item;
  const session = useSession();
  const mayBlock = isAllowed(session, 'admin:enablements:write', organization);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [search, setSearch] = useState('');
  const block = useChange('blockTools', { refreshes: ['getOrganizationServer', 'listOrganizationServers'] });
  const set = (blocked: boolean) =>
    block.mutate({ organization, server, tools: [...chosen], blocked }, { onSuccess: () => setChosen(new Set()) });
  const names = tools.map(({ name }) => String(name)).filter((name) => name.includes(search));
  const toggle = (name: string) =>
    setChosen((before) => new Set(before.has(name) ? [...before].filter((each) => each !== name) : [...before, name]));
  const here = new Set(enablement?.blockedTools ?? []);
  return (
    <Stack gap="sm">
      <Group align="flex-end">
        <TextInput
          aria-label="Search tools"
          placeholder="Search tools"
          value={search}
          onChange={({ currentTarget }) => setSearch(currentTarget.value)}
        />
        {mayBlock && (
          <>
            <Button variant="default" onClick={() => setChosen(new Set(names))}>
              Choose all {names.length}
            </Button>
            <Button variant="default" disabled={chosen.size === 0} loading={block.isPending} onClick={() => set(true)}>
              Block {chosen.size}
            </Button>
            <Button variant="default" disabled={chosen.size === 0} loading={block.isPending} onClick={() => set(false)}>
              Allow {chosen.size}
            </Button>
          </>
        )}
      </Group>
      <Scrolling label="Tools">
        <Table aria-label="Tools" stickyHeader>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Tool</Table.Th>
              <Table.Th>What it does</Table.Th>
              <Table.Th>Here</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {tools
              .filter(({ name }) => names.includes(String(name)))
              .map((tool) => {
                const name = String(tool.name);
                return (
                  <Table.Tr key={name}>
                    <Table.Td>
                      <Checkbox
                        label={<Code>{name}</Code>}
                        checked={chosen.has(name)}
                        disabled={!mayBlock}
                        onChange={() => toggle(name)}
                      />
                    </Table.Td>
                    <Table.Td>
                      <Text size="sm" lineClamp={2}>
                        {typeof tool.description === 'string' ? tool.description : ''}
                      </Text>
                      <Group gap={4}>{traitsOf(tool)}</Group>
                    </Table.Td>
                    <Table.Td>
                      <Standing isHere={here.has(name)} isEverywhere={blockedTools.includes(name)} />
                    </Table.Td>
                  </Table.Tr>
                );
              })}
          </Table.Tbody>
        </Table>
      </Scrolling>
    </Stack>
  );
}

function Standing({ isHere, isEverywhere }: { readonly isHere: boolean; readonly isEverywhere: boolean }) {
  if (isEverywhere)
    return (
      <Badge color="red" variant="light">
        Blocked for all
      </Badge>
    );
  return isHere ? (
    <Badge color="orange" variant="light">
      Blocked
    </Badge>
  ) : (
    <Badge color="green" variant="light">
      Allowed
    </Badge>
  );
}
