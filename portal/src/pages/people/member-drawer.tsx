/** One member: roles, groups, what they may use, and the way out. */
import { Anchor, Button, Divider, Drawer, Group, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { Link } from 'wouter';
import { useChange } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { confirm } from '#portal/parts/confirm.tsx';
import { RoleInput } from '#portal/parts/role-input.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { GroupBadges, type Member, nameOfMember } from './group-badges.tsx';
import { MemberState } from './members-tab.tsx';

export function MemberDrawer({
  member,
  onClose,
}: {
  readonly member: Member | undefined;
  readonly onClose: () => void;
}) {
  return (
    <Drawer opened={member !== undefined} onClose={onClose} title={member ? nameOfMember(member) : ''}>
      {member && <Details key={member.user ?? member.email} member={member} onClose={onClose} />}
    </Drawer>
  );
}

function Details({ member, onClose }: { readonly member: Member; readonly onClose: () => void }) {
  const session = useSession();
  const organization = useOrganization();
  const canWrite = isAllowed(session, 'admin:members:write', organization);
  const canGroup = isAllowed(session, 'admin:groups:write', organization);
  const { user } = member;
  return (
    <Stack>
      <Group>
        <MemberState member={member} />
        {member.name !== null && <Text size="sm">{member.name}</Text>}
      </Group>
      <div>
        <Text size="sm" fw={500} mb={4}>
          Groups
        </Text>
        <GroupBadges member={member} canChange={canGroup} />
      </div>
      {user !== null && <Roles member={member} user={user} canWrite={canWrite} />}
      {user !== null && (
        <Group>
          <Anchor component={Link} href={`/o/${organization}/people/${user}`}>
            What they may use, and why
          </Anchor>
          <Anchor component={Link} href={`/o/${organization}/audit?person=${encodeURIComponent(member.email ?? user)}`}>
            Their audit log
          </Anchor>
        </Group>
      )}
      {canWrite && (
        <>
          <Divider />
          <WayOut member={member} onClose={onClose} />
        </>
      )}
    </Stack>
  );
}

interface RolesProps {
  readonly member: Member;
  readonly user: string;
  readonly canWrite: boolean;
}

function Roles({ member, user, canWrite }: RolesProps) {
  const organization = useOrganization();
  const [roles, setRoles] = useState<readonly string[]>(member.roles);
  const save = useChange('updateMember', {
    refreshes: ['listMembers', 'getMember'],
    done: `Roles of ${nameOfMember(member)} were saved`,
  });
  const isChanged = roles.join('\n') !== member.roles.join('\n');
  return (
    <Stack gap="xs" align="flex-start">
      <div style={{ width: '100%' }}>
        <RoleInput value={roles} onChange={setRoles} disabled={!canWrite} />
      </div>
      {isChanged && (
        <Group gap="xs">
          <Button
            size="xs"
            loading={save.isPending}
            onClick={() => save.mutate({ organization, user, roles: [...roles] })}
          >
            Save roles
          </Button>
          <Button size="xs" variant="default" onClick={() => setRoles(member.roles)}>
            As it was
          </Button>
        </Group>
      )}
    </Stack>
  );
}

function WayOut({ member, onClose }: { readonly member: Member; readonly onClose: () => void }) {
  const organization = useOrganization();
  const who = nameOfMember(member);
  const { user, email, active } = member;
  const refreshes = ['listMembers', 'listGroups'] as const;
  const setActive = useChange('updateMember', {
    refreshes,
    done: (now) => (now.active ? `${who} is active again` : `${who} was deactivated`),
  });
  const remove = useChange('removeMember', { refreshes, done: `${who} was removed` });
  const uninvite = useChange('removeInvitation', { refreshes, done: `The invitation of ${who} was taken back` });
  if (user === null) {
    return (
      <Button
        color="red"
        variant="light"
        onClick={() => email !== null && uninvite.mutate({ organization, email }, { onSuccess: onClose })}
      >
        Take the invitation back
      </Button>
    );
  }
  const askDeactivate = () =>
    confirm({
      title: `Deactivate ${who}?`,
      text: 'Their tokens, sessions and open streams in this organization end at once. They can be let in again.',
      verb: 'Deactivate',
      onConfirm: () => setActive.mutate({ organization, user, active: false }),
    });
  const askRemove = () =>
    confirm({
      title: `Remove ${who}?`,
      text: 'They lose this organization, its groups and what they hold in it. Their records in the audit log stay.',
      verb: 'Remove',
      name: email ?? who,
      onConfirm: () => remove.mutate({ organization, user }, { onSuccess: onClose }),
    });
  return (
    <Group>
      {active ? (
        <Button variant="default" onClick={askDeactivate}>
          Deactivate
        </Button>
      ) : (
        <Button onClick={() => setActive.mutate({ organization, user, active: true })}>Let in again</Button>
      )}
      <Button color="red" variant="light" onClick={askRemove}>
        Remove from the organization
      </Button>
    </Group>
  );
}
