/** The groups of one member as badges, each with its way out, and a way into another. */
import { ActionIcon, Group, Pill, Popover, Text, Tooltip } from '@mantine/core';
import { Plus } from 'lucide-react';
import { useState } from 'react';
import { type Item, useChange } from '#portal/api/hooks.ts';
import { confirm } from '#portal/parts/confirm.tsx';
import { PickGroup } from '#portal/parts/pick.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

export type Member = Item<'listMembers'>;
type Membership = Member['groups'][number];

/** How people call them. */
export const nameOfMember = ({ email, name, user }: Pick<Member, 'email' | 'name' | 'user'>): string =>
  email ?? name ?? user ?? 'somebody';

const refOf = ({ user, email }: Member): { readonly user?: string; readonly email?: string } =>
  user !== null ? { user } : email !== null ? { email } : {};

/** Of whoever may not change them, only what they are. */
export function GroupBadges({ member, canChange }: { readonly member: Member; readonly canChange: boolean }) {
  const organization = useOrganization();
  const [isAdding, setAdding] = useState(false);
  const who = nameOfMember(member);
  const refreshes = ['listMembers', 'listGroups', 'listGroupMembers'] as const;
  const add = useChange('addGroupMember', { refreshes, done: ({ name }) => `${who} is in ${name}` });
  const remove = useChange('removeGroupMember', { refreshes, done: ({ name }) => `${who} is no longer in ${name}` });
  const askRemove = ({ name, by }: Membership) =>
    confirm({
      title: `Take ${who} out of ${name}?`,
      text: 'What they may use by this group ends at once, also in sessions that are open.',
      verb: 'Take out',
      onConfirm: () => {
        const ref = by === 'email' && member.email !== null ? { email: member.email } : refOf(member);
        remove.mutate({ organization, group: name, ...ref });
      },
    });
  return (
    <Group gap={4} maw={460}>
      {member.groups.map((group) => (
        <Badge key={group.name} group={group} who={who} onRemove={canChange ? () => askRemove(group) : undefined} />
      ))}
      {member.groups.length === 0 && (
        <Text size="sm" c="dimmed">
          none
        </Text>
      )}
      {canChange && (
        <Popover opened={isAdding} onChange={setAdding} trapFocus withinPortal position="bottom-start">
          <Popover.Target>
            <ActionIcon
              size="sm"
              variant="default"
              aria-label={`Add ${who} to a group`}
              onClick={() => setAdding(!isAdding)}
            >
              <Plus size={14} aria-hidden />
            </ActionIcon>
          </Popover.Target>
          <Popover.Dropdown>
            <PickGroup
              label={`Add ${who} to`}
              placeholder="Group"
              value={null}
              autoFocus
              without={member.groups.map(({ name }) => name)}
              onChange={(group) => {
                setAdding(false);
                if (group !== null) add.mutate({ organization, group, ...refOf(member) });
              }}
            />
          </Popover.Dropdown>
        </Popover>
      )}
    </Group>
  );
}

interface BadgeProps {
  readonly group: Membership;
  readonly who: string;
  readonly onRemove: (() => void) | undefined;
}

function Badge({ group: { name, by, source }, who, onRemove }: BadgeProps) {
  const isOurs = by !== 'provider' && source === null;
  const why = isOurs
    ? 'Put there by an administrator'
    : `By word of ${source ?? 'the identity provider'}: change it there`;
  return (
    <Tooltip label={why}>
      <Pill
        withRemoveButton={isOurs && onRemove !== undefined}
        onRemove={onRemove}
        removeButtonProps={{ 'aria-label': `Take ${who} out of ${name}`, 'aria-hidden': false, tabIndex: 0 }}
      >
        {name}
        {!isOurs && <span className="for-readers">, by word of {source ?? 'the identity provider'}</span>}
        {!isOurs && <span aria-hidden> ⇄</span>}
      </Pill>
    </Tooltip>
  );
}
