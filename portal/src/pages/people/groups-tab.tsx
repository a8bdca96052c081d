/** Groups of the organization, in the order in which they decide. */
import { Badge, Button, Group, Text } from '@mantine/core';
import { Plus } from 'lucide-react';
import { type Item, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { useListQuery } from '#portal/parts/list-query.ts';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { GroupDrawer } from './group-drawer.tsx';
import { NewGroup } from './new-group.tsx';

type GroupItem = Item<'listGroups'>;

export const originOf = ({ managedBy, builtin }: Pick<GroupItem, 'managedBy' | 'builtin'>): string => {
  if (builtin) return 'built in';
  if (managedBy === 'api') return 'made here';
  return managedBy === 'file' ? 'gatehouse.yaml' : managedBy === 'scim' ? 'directory (SCIM)' : managedBy;
};

const columns: readonly Column<GroupItem>[] = [
  {
    title: 'Group',
    sort: 'name',
    cell: ({ name, title }) => (
      <>
        {name}
        {title !== '' && title !== name && (
          <Text span size="xs" c="dimmed" display="block">
            {title}
          </Text>
        )}
      </>
    ),
  },
  { title: 'Members', isNumeric: true, cell: ({ members }) => members.toLocaleString('en'), width: 110 },
  { title: 'Priority', sort: 'priority', isNumeric: true, cell: ({ priority }) => priority, width: 110 },
  {
    title: 'Comes from',
    cell: (group) => (
      <Group gap={6}>
        <Badge variant="light" color={group.managedBy === 'api' && !group.builtin ? 'gray' : 'harbour'} tt="none">
          {originOf(group)}
        </Badge>
        {group.externalId !== null && (
          <Text size="xs" c="dimmed">
            also by the identity provider’s word
          </Text>
        )}
      </Group>
    ),
  },
];

export function GroupsTab() {
  const session = useSession();
  const organization = useOrganization();
  const [open, setOpen] = useUrlState('group');
  const [isNew, setNew] = useUrlState('new');
  const list = useList('listGroups', { organization, ...useListQuery(['name', 'priority']) });
  const canWrite = isAllowed(session, 'admin:groups:write', organization);
  const add = canWrite && (
    <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setNew('1')}>
      New group
    </Button>
  );
  return (
    <>
      <ResourceTable
        label="Groups"
        list={list}
        columns={columns}
        rowKey={({ id }) => id}
        onOpen={({ name }) => setOpen(name)}
        searchLabel="Search groups"
        filters={
          <Group justify="flex-end" style={{ flex: 1 }}>
            {add}
          </Group>
        }
        empty={
          <Empty title="No group yet" action={add}>
            A group is who gets which tools: put people in it, then choose its servers at Groups & Servers.
          </Empty>
        }
      />
      <NewGroup opened={isNew !== ''} onClose={() => setNew('')} />
      <GroupDrawer name={open} canWrite={canWrite} onClose={() => setOpen('')} />
    </>
  );
}
