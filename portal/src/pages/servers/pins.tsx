/** Definitions of tools that changed since somebody approved them, with the difference. */
import { Alert, Badge, Button, Card, Code, Group, Stack, Table, Text, Title } from '@mantine/core';
import { TriangleAlert } from 'lucide-react';
import { type Item, useChange, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';

type Pin = Item<'listPins'>;

export function Pins({ organization, server }: { readonly organization: string; readonly server: string }) {
  const { items, hasMore, loadMore } = useList('listPins', { organization, server, state: 'waiting' });
  if (items.length === 0) return null;
  return (
    <Stack gap="sm">
      <Title order={2} size="h4">
        Changed definitions that wait for you
      </Title>
      {items.map((pin) => (
        <Waiting key={`${pin.partition} ${pin.tool}`} organization={organization} pin={pin} />
      ))}
      {hasMore && (
        <Button variant="default" size="xs" onClick={loadMore} w="fit-content">
          Show more
        </Button>
      )}
    </Stack>
  );
}

function Waiting({ organization, pin }: { readonly organization: string; readonly pin: Pin }) {
  const { tool, server, partition, held, approved, changes, hiddenCharacters } = pin;
  const session = useSession();
  const refreshes = ['listPins'] as const;
  const approve = useChange('approvePin', { refreshes, done: `${tool} is approved as it is now` });
  const reject = useChange('rejectPin', { refreshes, done: `What was approved of ${tool} stays` });
  const decision = { organization, server, tool, hash: held?.hash ?? '', ...(partition !== null && { partition }) };
  return (
    <Card withBorder>
      <Stack gap="xs">
        <Group justify="space-between">
          <Group gap="xs">
            <Code>{tool}</Code>
            <Badge variant="light" color={approved ? 'yellow' : 'gray'} tt="none">
              {approved ? 'changed' : 'new'}
            </Badge>
          </Group>
          {isAllowed(session, 'admin:pins:write', organization) && (
            <Group gap="xs">
              <Button size="xs" onClick={() => approve.mutate(decision)} loading={approve.isPending}>
                Approve {tool}
              </Button>
              <Button size="xs" variant="default" onClick={() => reject.mutate(decision)} loading={reject.isPending}>
                Refuse
              </Button>
            </Group>
          )}
        </Group>
        {hiddenCharacters.length > 0 && (
          <Alert color="red" icon={<TriangleAlert aria-hidden />} title="It has characters that nobody sees">
            <Text size="sm">
              A model reads them all the same:{' '}
              {hiddenCharacters.map(({ path, character }) => `${character} in ${path}`).join(', ')}
            </Text>
          </Alert>
        )}
        <Changes changes={changes} />
      </Stack>
    </Card>
  );
}

const Changes = ({ changes }: Pick<Pin, 'changes'>) => (
  <Table.ScrollContainer minWidth={480} scrollAreaProps={{ viewportProps: { tabIndex: 0, 'aria-label': 'Changes' } }}>
    <Table aria-label="What changed">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Where</Table.Th>
          <Table.Th>Approved</Table.Th>
          <Table.Th>Now</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {changes.slice(0, 100).map(({ path, change, before, after }) => (
          <Table.Tr key={path}>
            <Table.Td>
              <Code>{path}</Code>{' '}
              <Text span size="xs" c="dimmed">
                {change}
              </Text>
            </Table.Td>
            <Table.Td>
              <Text size="sm" component="del" td={before === null ? 'none' : 'line-through'}>
                {before ?? ''}
              </Text>
            </Table.Td>
            <Table.Td>
              <Text size="sm" component="ins" td="none" fw={500}>
                {after ?? ''}
              </Text>
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  </Table.ScrollContainer>
);
