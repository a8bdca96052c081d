/** Dynamic Routing: groups whose calls to a server go to another address than everybody's. */
import { Anchor, Badge, Button, Code, Group, Text } from '@mantine/core';
import { Plus } from 'lucide-react';
import { useState } from 'react';
import { Link } from 'wouter';
import { type Item, useChange } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { useAll } from '#portal/api/use-all.ts';
import { confirm } from '#portal/parts/confirm.tsx';
import { useListQuery } from '#portal/parts/list-query.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { RouteDrawer } from './route-drawer.tsx';

export type Credential = Item<'listCredentials'>;

export function Page() {
  const session = useSession();
  const organization = useOrganization();
  const [open, setOpen] = useState<Credential | 'new'>();
  const all = useAll('listCredentials', {
    ...{ organization, limit: 1000 },
    ...useListQuery(['server', 'group', 'updatedAt']),
  });
  const list = { ...all, items: all.items.filter(({ url }) => url !== null), isLoading: !all.isComplete && !all.error };
  const canWrite = isAllowed(session, 'admin:credentials:write', organization);
  const remove = useChange('removeCredential', {
    refreshes: ['listCredentials'],
    done: ({ server, group }) => `${group ?? 'Everybody else'} reaches ${server} at its own address again`,
  });
  const askRemove = ({ server, group, keyName, configured }: Credential) =>
    confirm({
      title: `Remove the address of ${group ?? 'everybody else'} for ${server}?`,
      text: configured
        ? 'Its key was given for this address and goes with it. Calls go to the server’s own address.'
        : 'Calls go to the server’s own address.',
      verb: 'Remove',
      onConfirm: () => remove.mutate({ organization, server, keyName, ...(group !== null && { group }) }),
    });
  const add = canWrite && (
    <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setOpen('new')}>
      Add an address
    </Button>
  );
  return (
    <PageFrame
      title="Dynamic Routing"
      about="A group can reach a server at an address of its own: its own instance, region or customer."
      actions={add}
    >
      <ResourceTable
        label="Dynamic Routing"
        list={list}
        columns={columnsFor({ organization, canWrite, edit: setOpen, remove: askRemove })}
        rowKey={({ server, group, keyName }) => `${server}\n${group ?? ''}\n${keyName}`}
        searchLabel="Search by server, group or address"
        empty={
          <Empty title="Every server is reached at its own address" action={add}>
            Add an address for a group, and its members’ calls go there, with the group’s own key. Addresses must be
            https and public.
          </Empty>
        }
      />
      <RouteDrawer open={open} onClose={() => setOpen(undefined)} />
    </PageFrame>
  );
}

interface ColumnsOf {
  readonly organization: string;
  readonly canWrite: boolean;
  readonly edit: (route: Credential) => void;
  readonly remove: (route: Credential) => void;
}

const columnsFor = ({ organization, canWrite, edit, remove }: ColumnsOf): readonly Column<Credential>[] => [
  { title: 'Server', sort: 'server', cell: ({ server }) => server },
  {
    title: 'Group',
    sort: 'group',
    cell: ({ group }) =>
      group ?? (
        <Text size="sm" c="dimmed">
          everybody else
        </Text>
      ),
  },
  { title: 'Address', cell: ({ url }) => <Code>{url}</Code> },
  {
    title: 'Key',
    cell: ({ configured }) => (
      <Badge color={configured ? 'green' : 'gray'} variant="light" tt="none">
        {configured ? 'Configured' : 'None'}
      </Badge>
    ),
  },
  { title: 'Changed', sort: 'updatedAt', cell: ({ updatedAt }) => <Time at={updatedAt} /> },
  {
    title: 'Actions',
    cell: (route) => {
      const what = `the address of ${route.group ?? 'everybody else'} for ${route.server}`;
      return (
        <Group gap={6} wrap="nowrap">
          {canWrite && (
            <>
              <Button size="compact-sm" variant="default" aria-label={`Change ${what}`} onClick={() => edit(route)}>
                Change
              </Button>
              <Button
                size="compact-sm"
                variant="subtle"
                color="red"
                aria-label={`Remove ${what}`}
                onClick={() => remove(route)}
              >
                Remove
              </Button>
            </>
          )}
          <Anchor component={Link} size="sm" href={`/o/${organization}/audit?server=${route.server}`}>
            Log
          </Anchor>
        </Group>
      );
    },
  },
];
