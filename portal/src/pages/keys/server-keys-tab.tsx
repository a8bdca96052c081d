/** Which group reaches which server with a credential of its own: that there is one, never which. */
import { Badge, Button, Code, Group, Text } from '@mantine/core';
import { Plus } from 'lucide-react';
import { useState } from 'react';
import { type Item, useChange, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { confirm } from '#portal/parts/confirm.tsx';
import { useListQuery } from '#portal/parts/list-query.ts';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { ServerKeyDrawer } from './server-key-drawer.tsx';

export type Credential = Item<'listCredentials'>;

export const everybodyElse = 'everybody else';
export const placeOf = ({ server, group, keyName }: Credential) => ({
  ...{ server, keyName },
  ...(group !== null && { group }),
});
const keyOf = ({ server, group, keyName }: Credential) => `${server}\n${group ?? ''}\n${keyName}`;

export function ServerKeysTab() {
  const session = useSession();
  const organization = useOrganization();
  const [open, setOpen] = useState<Credential | 'new'>();
  const list = useList('listCredentials', { organization, ...useListQuery(['server', 'group', 'updatedAt']) });
  const canWrite = isAllowed(session, 'admin:credentials:write', organization);
  const remove = useChange('removeCredential', {
    refreshes: ['listCredentials'],
    done: ({ server }) => `The key for ${server} was removed`,
  });
  const askRemove = (credential: Credential) =>
    confirm({
      title: `Remove the key of ${credential.group ?? everybodyElse} for ${credential.server}?`,
      text:
        credential.url === null
          ? 'Their calls go out with the next key that applies, or without one.'
          : 'Its other address goes with it: their calls go to the server’s own address.',
      verb: 'Remove',
      onConfirm: () => remove.mutate({ organization, ...placeOf(credential) }),
    });
  const add = canWrite && (
    <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setOpen('new')}>
      Add a key
    </Button>
  );
  return (
    <>
      <ResourceTable
        label="Keys for servers"
        list={list}
        columns={columnsFor(canWrite, setOpen, askRemove)}
        rowKey={keyOf}
        searchLabel="Search by server or group"
        filters={
          <Group justify="flex-end" style={{ flex: 1 }}>
            {add}
          </Group>
        }
        empty={
          <Empty title="No key yet" action={add}>
            Give a group its own key for a server, and its members’ calls go out with it; a key for everybody else is
            used where no group has one. Keys are sealed here and never shown again.
          </Empty>
        }
      />
      <ServerKeyDrawer open={open} onClose={() => setOpen(undefined)} />
    </>
  );
}

type Act = (credential: Credential) => void;

const columnsFor = (canWrite: boolean, replace: Act, remove: Act): readonly Column<Credential>[] => [
  { title: 'Server', sort: 'server', cell: ({ server }) => server },
  {
    title: 'Group',
    sort: 'group',
    cell: ({ group }) =>
      group ?? (
        <Text size="sm" c="dimmed">
          {everybodyElse}
        </Text>
      ),
  },
  {
    title: 'Key name',
    cell: ({ keyName }) =>
      keyName === '' ? (
        <Text size="sm" c="dimmed">
          none
        </Text>
      ) : (
        <Code>{keyName}</Code>
      ),
  },
  {
    title: 'Key',
    cell: ({ configured }) => (
      <Badge color={configured ? 'green' : 'gray'} variant="light" tt="none">
        {configured ? 'Configured' : 'None: an address only'}
      </Badge>
    ),
  },
  {
    title: 'Goes out as',
    cell: ({ header, configured }) => (configured ? <Code>{header ?? 'authorization'}</Code> : ''),
  },
  { title: 'Changed', sort: 'updatedAt', cell: ({ updatedAt }) => <Time at={updatedAt} /> },
  {
    title: 'Actions',
    cell: (credential) =>
      canWrite && (
        <Group gap={4} wrap="nowrap">
          <Button
            size="compact-sm"
            variant="default"
            aria-label={`Replace the key of ${credential.group ?? everybodyElse} for ${credential.server}`}
            onClick={() => replace(credential)}
          >
            Replace
          </Button>
          <Button
            size="compact-sm"
            variant="subtle"
            color="red"
            aria-label={`Remove the key of ${credential.group ?? everybodyElse} for ${credential.server}`}
            onClick={() => remove(credential)}
          >
            Remove
          </Button>
        </Group>
      ),
  },
];
