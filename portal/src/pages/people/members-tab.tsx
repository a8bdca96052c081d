/** Everybody in the organization and who is invited, fifteen thousand of them if need be. */
import { Badge, Button, Group, Text } from '@mantine/core';
import { UserPlus } from 'lucide-react';
import { useState } from 'react';
import { useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { useListQuery } from '#portal/parts/list-query.ts';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { StateFilter } from '#portal/parts/state-filter.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { GroupBadges, type Member, nameOfMember } from './group-badges.tsx';
import { Invite } from './invite.tsx';
import { MemberDrawer } from './member-drawer.tsx';

const states = [
  { value: 'active', label: 'Active' },
  { value: 'inactive', label: 'Deactivated' },
  { value: 'invited', label: 'Invited' },
] as const;

export function MembersTab() {
  const session = useSession();
  const organization = useOrganization();
  const [state, setState] = useUrlState('state');
  const [isInviting, setInviting] = useState(false);
  const [open, setOpen] = useState<string>();
  const wanted = states.find(({ value }) => value === state)?.value;
  const list = useList('listMembers', {
    ...useListQuery(['name']),
    organization,
    ...(wanted !== undefined && { state: wanted }),
  });
  const canWrite = isAllowed(session, 'admin:members:write', organization);
  const canGroup = isAllowed(session, 'admin:groups:write', organization);
  const invite = canWrite && (
    <Button leftSection={<UserPlus size={16} aria-hidden />} onClick={() => setInviting(true)}>
      Invite
    </Button>
  );
  return (
    <>
      <ResourceTable
        label="Users"
        list={list}
        columns={columnsFor(canGroup)}
        rowKey={keyOf}
        onOpen={(member) => setOpen(keyOf(member))}
        searchLabel="Search by e-mail or name"
        filters={
          <Group gap="sm" justify="space-between" style={{ flex: 1 }}>
            <StateFilter states={states} value={wanted} onChange={setState} />
            {invite}
          </Group>
        }
        empty={
          <Empty title="Nobody yet" action={invite}>
            People become members when they sign in through your identity provider, when your directory tells of them
            (SCIM), or when you invite them by e-mail address.
          </Empty>
        }
      />
      <Invite opened={isInviting} onClose={() => setInviting(false)} />
      <MemberDrawer member={list.items.find((each) => keyOf(each) === open)} onClose={() => setOpen(undefined)} />
    </>
  );
}

const keyOf = ({ user, email }: Member): string => user ?? `invited ${email ?? ''}`;

const columnsFor = (canGroup: boolean): readonly Column<Member>[] => [
  {
    title: 'User',
    sort: 'name',
    cell: (member) => (
      <>
        {nameOfMember(member)}
        {member.name !== null && member.email !== null && (
          <Text span size="xs" c="dimmed" display="block">
            {member.name}
          </Text>
        )}
      </>
    ),
  },
  { title: 'Groups', cell: (member) => <GroupBadges member={member} canChange={canGroup} /> },
  {
    title: 'Roles',
    cell: ({ roles }) =>
      roles.length === 0 ? (
        <Text size="sm" c="dimmed">
          none
        </Text>
      ) : (
        <Text size="sm">{roles.join(', ')}</Text>
      ),
  },
  { title: 'State', cell: (member) => <MemberState member={member} />, width: 130 },
  {
    title: 'By word of',
    cell: ({ saidBy, user }) => (
      <Text size="sm">{saidBy ?? (user === null ? 'an invitation' : 'an administrator')}</Text>
    ),
  },
];

export function MemberState({ member: { user, active } }: { readonly member: Pick<Member, 'user' | 'active'> }) {
  if (user === null)
    return (
      <Badge color="yellow" variant="light">
        Invited
      </Badge>
    );
  return (
    <Badge color={active ? 'green' : 'gray'} variant="light">
      {active ? 'Active' : 'Deactivated'}
    </Badge>
  );
}
