/** Who is in a group: its own search, since there may be thousands. */
import { ActionIcon, Button, Group, Stack, Text, TextInput, Title } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { X } from 'lucide-react';
import { useState } from 'react';
import { type Item, useChange, useList } from '#portal/api/hooks.ts';
import { confirm } from '#portal/parts/confirm.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

type GroupMember = Item<'listGroupMembers'>;
const refreshes = ['listGroupMembers', 'listGroups', 'listMembers', 'getGroup'] as const;

export function GroupMembers({ group, canWrite }: { readonly group: string; readonly canWrite: boolean }) {
  const organization = useOrganization();
  const [typed, setTyped] = useState('');
  const [search] = useDebouncedValue(typed, 250);
  const list = useList('listGroupMembers', {
    ...{ organization, group, limit: 50, sort: 'label' },
    ...(search !== '' && { search }),
  });
  return (
    <Stack gap="xs">
      <Title order={2} size="h5">
        Members
      </Title>
      {canWrite && <AddMember group={group} />}
      {(list.items.length > 8 || typed !== '') && (
        <TextInput
          aria-label="Search members of the group"
          placeholder="Search"
          value={typed}
          onChange={({ currentTarget }) => setTyped(currentTarget.value)}
        />
      )}
      {list.error && <ErrorPanel error={list.error} retry={list.reload} />}
      {!list.isLoading && list.items.length === 0 && (
        <Text size="sm" c="dimmed">
          {typed === '' ? 'Nobody is in it by name or address.' : 'Nobody matches.'}
        </Text>
      )}
      {list.items.map((member) => (
        <Row key={member.user ?? member.email ?? member.key} {...{ member, group, canWrite }} />
      ))}
      {list.hasMore && (
        <Button size="xs" variant="default" onClick={list.loadMore} loading={list.isLoadingMore} w="fit-content">
          Show more
        </Button>
      )}
    </Stack>
  );
}

interface RowProps {
  readonly member: GroupMember;
  readonly group: string;
  readonly canWrite: boolean;
}

function Row({ member, group, canWrite }: RowProps) {
  const organization = useOrganization();
  const who = member.label ?? member.email ?? member.key ?? 'somebody';
  const remove = useChange('removeGroupMember', { refreshes, done: `${who} is no longer in ${group}` });
  const { user, email, key } = member;
  const ref = user !== null ? { user } : email !== null ? { email } : key !== null ? { key } : {};
  const ask = () =>
    confirm({
      title: `Take ${who} out of ${group}?`,
      text: 'What they may use by this group ends at once, also in sessions that are open.',
      verb: 'Take out',
      onConfirm: () => remove.mutate({ organization, group, ...ref }),
    });
  return (
    <Group justify="space-between" wrap="nowrap" gap="xs">
      <Text size="sm" truncate>
        {who}
        {member.key !== null && ' (API key)'}
        {member.source !== null && ` (by word of ${member.source})`}
      </Text>
      {canWrite && member.source === null && (
        <ActionIcon variant="subtle" color="gray" aria-label={`Take ${who} out of ${group}`} onClick={ask}>
          <X size={16} aria-hidden />
        </ActionIcon>
      )}
    </Group>
  );
}

function AddMember({ group }: { readonly group: string }) {
  const organization = useOrganization();
  const [email, setEmail] = useState('');
  const add = useChange('addGroupMember', { refreshes, done: ({ name }) => `${email} is in ${name}` });
  const isRight = /^[^\s@]+@[^\s@]+$/.test(email);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (isRight) add.mutate({ organization, group, email }, { onSuccess: () => setEmail('') });
      }}
    >
      <Group gap="xs" align="flex-end" wrap="nowrap">
        <TextInput
          label="Add by e-mail address"
          description="Also before their first sign-in."
          type="email"
          placeholder="ada@example.com"
          style={{ flex: 1 }}
          value={email}
          onChange={({ currentTarget }) => setEmail(currentTarget.value)}
        />
        <Button type="submit" variant="default" disabled={!isRight} loading={add.isPending}>
          Add
        </Button>
      </Group>
    </form>
  );
}
