/** One service account: roles, groups, trusted workloads (RFC 7523), and its end. */
import { ActionIcon, Anchor, Button, Code, Divider, Drawer, Group, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { X } from 'lucide-react';
import { useState } from 'react';
import { Link } from 'wouter';
import { type Item, useChange } from '#portal/api/hooks.ts';
import { confirm } from '#portal/parts/confirm.tsx';
import { PickGroup } from '#portal/parts/pick.tsx';
import { RoleInput } from '#portal/parts/role-input.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

type Account = Item<'listServiceAccounts'>;
const refreshes = ['listServiceAccounts'] as const;

interface DrawerProps {
  readonly account: Account | undefined;
  readonly canWrite: boolean;
  readonly onClose: () => void;
}

export function ServiceAccountDrawer({ account, canWrite, onClose }: DrawerProps) {
  const organization = useOrganization();
  return (
    <Drawer opened={account !== undefined} onClose={onClose} title={account?.name ?? ''}>
      {account && (
        <Stack>
          <Text size="sm">
            Client id <Code>{account.clientId}</Code>
          </Text>
          <Roles key={account.id} account={account} canWrite={canWrite} />
          <Group>
            <Anchor component={Link} size="sm" href={`/o/${organization}/keys?tab=callers`}>
              Its keys
            </Anchor>
            <Anchor component={Link} size="sm" href={`/o/${organization}/audit?person=${account.id}`}>
              Its audit log
            </Anchor>
          </Group>
          {canWrite && <ToGroup account={account} />}
          <Workloads account={account} canWrite={canWrite} />
          {canWrite && <WayOut account={account} onClose={onClose} />}
        </Stack>
      )}
    </Drawer>
  );
}

function Roles({ account, canWrite }: { readonly account: Account; readonly canWrite: boolean }) {
  const organization = useOrganization();
  const [roles, setRoles] = useState<readonly string[]>(account.roles);
  const save = useChange('updateServiceAccount', { refreshes, done: `Roles of ${account.name} were saved` });
  return (
    <>
      <RoleInput value={roles} onChange={setRoles} disabled={!canWrite} />
      {roles.join('\n') !== account.roles.join('\n') && (
        <Button
          size="xs"
          w="fit-content"
          loading={save.isPending}
          onClick={() => save.mutate({ organization, account: account.id, roles: [...roles] })}
        >
          Save roles
        </Button>
      )}
    </>
  );
}

function ToGroup({ account }: { readonly account: Account }) {
  const organization = useOrganization();
  const add = useChange('addGroupMember', {
    refreshes: ['listGroups', 'listGroupMembers'],
    done: ({ name }) => `${account.name} is in ${name}`,
  });
  return (
    <PickGroup
      label="Put it into a group"
      description="What it may use comes from its groups. A group’s own page says who is in it, and takes it out."
      placeholder="Group"
      value={null}
      onChange={(group) => group !== null && add.mutate({ organization, group, serviceAccount: account.id })}
    />
  );
}

function Workloads({ account, canWrite }: { readonly account: Account; readonly canWrite: boolean }) {
  const organization = useOrganization();
  const trust = useChange('trustWorkload', { refreshes, done: 'The workload is trusted' });
  const distrust = useChange('distrustWorkload', { refreshes, done: 'The workload is no longer trusted' });
  const form = useForm({
    initialValues: { issuer: '', subject: '', audience: '' },
    validate: {
      issuer: (value) => (/^https?:\/\/\S+$/.test(value) ? null : 'The URL of an issuer'),
      subject: (value) => (value === '' ? 'Needs a subject' : null),
      audience: (value) => (value === '' ? 'Needs an audience' : null),
    },
  });
  const submit = form.onSubmit((values) =>
    trust.mutate({ organization, account: account.id, ...values }, { onSuccess: () => form.reset() }),
  );
  return (
    <Stack gap="xs">
      <Title order={2} size="h5">
        Trusted workloads
      </Title>
      <Text size="sm" c="dimmed">
        A job that has a token of its own (GitHub Actions, Kubernetes, a cloud) signs in as this account with it,
        without any key.
      </Text>
      {account.workloads.map(({ id, issuer, subject, audience }) => (
        <Group key={id} justify="space-between" wrap="nowrap">
          <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
            {subject} of {issuer}, for {audience}
          </Text>
          {canWrite && (
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label={`No longer trust ${subject}`}
              onClick={() => distrust.mutate({ organization, account: account.id, id })}
            >
              <X size={16} aria-hidden />
            </ActionIcon>
          )}
        </Group>
      ))}
      {canWrite && (
        <form onSubmit={submit}>
          <Stack gap="xs">
            <TextInput
              label="Issuer"
              placeholder="https://token.actions.githubusercontent.com"
              {...form.getInputProps('issuer')}
            />
            <TextInput
              label="Subject"
              description="Up to four “*” stand for anything."
              placeholder="repo:acme/app:ref:refs/heads/main"
              {...form.getInputProps('subject')}
            />
            <TextInput label="Audience" {...form.getInputProps('audience')} />
            <Button type="submit" variant="default" w="fit-content" loading={trust.isPending}>
              Trust it
            </Button>
          </Stack>
        </form>
      )}
    </Stack>
  );
}

function WayOut({ account, onClose }: { readonly account: Account; readonly onClose: () => void }) {
  const organization = useOrganization();
  const { id, name, active } = account;
  const update = useChange('updateServiceAccount', {
    refreshes,
    done: (now) => (now.active ? `${name} is active again` : `${name} was deactivated`),
  });
  const remove = useChange('removeServiceAccount', { refreshes, done: `${name} was removed` });
  const askRemove = () =>
    confirm({
      title: `Remove ${name}?`,
      text: 'Its keys and tokens end at once, and whatever runs with them stops working.',
      verb: 'Remove',
      name,
      onConfirm: () => remove.mutate({ organization, account: id }, { onSuccess: onClose }),
    });
  return (
    <>
      <Divider />
      <Group>
        <Button variant="default" onClick={() => update.mutate({ organization, account: id, active: !active })}>
          {active ? 'Deactivate' : 'Let in again'}
        </Button>
        <Button color="red" variant="light" onClick={askRemove}>
          Remove
        </Button>
      </Group>
    </>
  );
}
