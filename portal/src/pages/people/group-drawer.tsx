/** One group: what it is called, who is in it, and its end. */
import { Alert, Anchor, Button, Divider, Drawer, Group, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { Link } from 'wouter';
import type { RouteOutput } from '#portal/api/client.ts';
import { useChange } from '#portal/api/hooks.ts';
import { useTagged } from '#portal/api/tagged.ts';
import { confirm } from '#portal/parts/confirm.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { checkGroupName, GroupFields, type GroupValues } from './group-fields.tsx';
import { GroupMembers } from './group-members.tsx';

interface DrawerProps {
  /** Empty: closed. */
  readonly name: string;
  readonly canWrite: boolean;
  readonly onClose: () => void;
}

export function GroupDrawer({ name, canWrite, onClose }: DrawerProps) {
  const organization = useOrganization();
  const { data, error, refetch } = useTagged('getGroup', { organization, group: name }, name !== '');
  const shown = name === '' ? undefined : data;
  return (
    <Drawer opened={name !== ''} onClose={onClose} title={name}>
      {error && <ErrorPanel error={error} retry={() => void refetch()} />}
      {!error && !shown && <Skeleton h={240} />}
      {shown && (
        <Stack>
          <Details key={shown.etag} group={shown.item} {...{ etag: shown.etag, canWrite, onClose }} />
          <Divider />
          <GroupMembers group={shown.item.name} canWrite={canWrite} />
          <Grants group={shown.item} />
          {canWrite && !shown.item.builtin && <Remove group={shown.item} etag={shown.etag} onClose={onClose} />}
        </Stack>
      )}
    </Drawer>
  );
}

type GroupItem = RouteOutput<'getGroup'>;

interface DetailsProps {
  readonly group: GroupItem;
  readonly etag: string | undefined;
  readonly canWrite: boolean;
  readonly onClose: () => void;
}

function Details({ group, etag, canWrite, onClose }: DetailsProps) {
  const organization = useOrganization();
  const save = useChange('updateGroup', {
    refreshes: ['listGroups', 'getGroup', 'listMembers'],
    done: ({ name }) => `${name} was saved`,
  });
  const { name, title, externalId, priority } = group;
  const form = useForm<GroupValues>({
    initialValues: { name, title, externalId: externalId ?? '', priority },
    validate: { name: checkGroupName },
  });
  const isFixed = group.builtin || group.managedBy !== 'api';
  const submit = form.onSubmit((values) =>
    save.mutate(
      {
        ...{ organization, group: name, title: values.title, priority: values.priority },
        externalId: values.externalId === '' ? null : values.externalId,
        ...(values.name !== name && { name: values.name }),
        ...(etag !== undefined && { etag }),
      },
      { onSuccess: (saved) => saved.name !== name && onClose() },
    ),
  );
  return (
    <form onSubmit={submit}>
      <Stack>
        {group.builtin && (
          <Alert color="blue">
            Whoever is in {name} may use everything that is enabled here. It can’t be renamed or deleted.
          </Alert>
        )}
        {group.managedBy === 'scim' && (
          <Alert color="blue">Your directory keeps this group (SCIM): it says who is in it.</Alert>
        )}
        <GroupFields form={form} disabled={!canWrite} isNameFixed={isFixed} />
        {form.isDirty() && (
          <Group gap="xs">
            <Button type="submit" loading={save.isPending}>
              Save
            </Button>
            <Button variant="default" onClick={form.reset}>
              As it was
            </Button>
          </Group>
        )}
      </Stack>
    </form>
  );
}

function Grants({ group }: { readonly group: GroupItem }) {
  const organization = useOrganization();
  const names = group.grants.map(({ server, collection, tools }) => {
    const what = server ?? collection ?? '';
    return tools === null ? what : `${what} (${tools.length} tools)`;
  });
  return (
    <div>
      <Title order={2} size="h5">
        What it gives
      </Title>
      <Text size="sm">{names.length === 0 ? 'Nothing yet.' : names.join(', ')}</Text>
      <Anchor component={Link} size="sm" href={`/o/${organization}/matrix?group=${group.name}`}>
        Choose its servers and tools
      </Anchor>
    </div>
  );
}

function Remove({ group, etag, onClose }: Omit<DetailsProps, 'canWrite'>) {
  const organization = useOrganization();
  const remove = useChange('removeGroup', {
    refreshes: ['listGroups', 'listMembers', 'listGrants'],
    done: ({ name }) => `${name} was deleted`,
  });
  const people = group.people.length === 1 ? 'One member loses' : `${group.people.length} members lose`;
  const ask = () =>
    confirm({
      title: `Delete ${group.name}?`,
      text: `${people} what it gives (${group.grants.length} servers or collections), at once.`,
      verb: 'Delete',
      ...(group.people.length + group.grants.length > 0 && { name: group.name }),
      onConfirm: () =>
        remove.mutate({ organization, group: group.name, ...(etag !== undefined && { etag }) }, { onSuccess: onClose }),
    });
  return (
    <>
      <Divider />
      <Button color="red" variant="light" w="fit-content" onClick={ask}>
        Delete the group
      </Button>
    </>
  );
}
