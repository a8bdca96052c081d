/** Programs that act by themselves: their roles, their keys and the workloads that are trusted for them. */
import { Badge, Button, Code, Group, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { Plus } from 'lucide-react';
import { useState } from 'react';
import { type Item, useChange, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { FormDrawer } from '#portal/parts/form-drawer.tsx';
import { useListQuery } from '#portal/parts/list-query.ts';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { RoleInput } from '#portal/parts/role-input.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { ServiceAccountDrawer } from './service-account-drawer.tsx';

type Account = Item<'listServiceAccounts'>;

const columns: readonly Column<Account>[] = [
  { title: 'Name', sort: 'name', cell: ({ name }) => name },
  { title: 'Client id', cell: ({ clientId }) => <Code>{clientId}</Code> },
  { title: 'Roles', cell: ({ roles }) => <Text size="sm">{roles.length === 0 ? 'none' : roles.join(', ')}</Text> },
  { title: 'Trusted workloads', isNumeric: true, cell: ({ workloads }) => workloads.length },
  {
    title: 'State',
    cell: ({ active }) => (
      <Badge color={active ? 'green' : 'gray'} variant="light">
        {active ? 'Active' : 'Deactivated'}
      </Badge>
    ),
  },
];

export function ServiceAccountsTab() {
  const session = useSession();
  const organization = useOrganization();
  const [isNew, setNew] = useState(false);
  const [open, setOpen] = useState<string>();
  const list = useList('listServiceAccounts', { organization, ...useListQuery(['name']) });
  const canWrite = isAllowed(session, 'admin:serviceaccounts:write', organization);
  const add = canWrite && (
    <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setNew(true)}>
      New service account
    </Button>
  );
  return (
    <>
      <ResourceTable
        label="Service accounts"
        list={list}
        columns={columns}
        rowKey={({ id }) => id}
        onOpen={({ id }) => setOpen(id)}
        searchLabel="Search service accounts"
        filters={
          <Group justify="flex-end" style={{ flex: 1 }}>
            {add}
          </Group>
        }
        empty={
          <Empty title="No service account yet" action={add}>
            A service account is a program with groups, roles and keys of its own, so that nobody’s personal key runs in
            production.
          </Empty>
        }
      />
      <NewAccount opened={isNew} onClose={() => setNew(false)} />
      <ServiceAccountDrawer
        account={list.items.find(({ id }) => id === open)}
        canWrite={canWrite}
        onClose={() => setOpen(undefined)}
      />
    </>
  );
}

function NewAccount({ opened, onClose }: { readonly opened: boolean; readonly onClose: () => void }) {
  const organization = useOrganization();
  const create = useChange('createServiceAccount', {
    refreshes: ['listServiceAccounts'],
    done: ({ name }) => `${name} was made: give it a key at API Keys, or trust a workload`,
  });
  const form = useForm({
    initialValues: { name: '', roles: [] as string[] },
    validate: { name: (value) => (value.trim() === '' ? 'Needs a name' : null) },
  });
  const submit = form.onSubmit(({ name, roles }) =>
    create.mutate(
      { organization, name, roles },
      {
        onSuccess: () => {
          form.reset();
          onClose();
        },
      },
    ),
  );
  return (
    <FormDrawer
      title="New service account"
      opened={opened}
      onClose={onClose}
      onSubmit={submit}
      verb="Make it"
      isBusy={create.isPending}
    >
      <TextInput label="Name" placeholder="nightly-report" required data-autofocus {...form.getInputProps('name')} />
      <RoleInput value={form.values.roles} onChange={(roles) => form.setFieldValue('roles', roles)} />
    </FormDrawer>
  );
}
