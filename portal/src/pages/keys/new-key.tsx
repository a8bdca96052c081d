/** The form of a new API key, whose text is shown once. */
import { MultiSelect, Select, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useState } from 'react';
import { useChange, useRoute } from '#portal/api/hooks.ts';
import { FormDrawer } from '#portal/parts/form-drawer.tsx';
import { RoleInput } from '#portal/parts/role-input.tsx';
import { ShownOnce } from '#portal/parts/shown-once.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

const day = 86_400;
const ends = [
  { value: String(7 * day), label: 'In 7 days' },
  { value: String(30 * day), label: 'In 30 days' },
  { value: String(90 * day), label: 'In 90 days' },
  { value: String(365 * day), label: 'In a year' },
  { value: 'never', label: 'When it is revoked' },
];

interface Values {
  readonly name: string;
  readonly roles: string[];
  readonly endpoints: string[];
  readonly serviceAccount: string | null;
  readonly ends: string;
}

export function NewKey({ opened, onClose }: { readonly opened: boolean; readonly onClose: () => void }) {
  const organization = useOrganization();
  const [secret, setSecret] = useState<string>();
  const create = useChange('createKey', { refreshes: ['listKeys'], done: ({ name }) => `${name} was made` });
  const form = useForm<Values>({
    initialValues: { name: '', roles: [], endpoints: [], serviceAccount: null, ends: String(90 * day) },
    validate: { name: (value) => (value.trim() === '' ? 'Needs a name' : null) },
  });
  const submit = form.onSubmit(({ name, roles, endpoints, serviceAccount, ends: end }) =>
    create.mutate(
      {
        ...{ organization, name, roles },
        ...(endpoints.length > 0 && { endpoints }),
        ...(serviceAccount !== null && { serviceAccount }),
        ...(end !== 'never' && { expiresInSeconds: Number(end) }),
      },
      {
        onSuccess: ({ key }) => {
          form.reset();
          onClose();
          setSecret(key);
        },
      },
    ),
  );
  return (
    <>
      <FormDrawer
        title="New API key"
        opened={opened}
        onClose={onClose}
        onSubmit={submit}
        verb="Make the key"
        isBusy={create.isPending}
      >
        <TextInput
          label="Name"
          description="What runs with it, so that somebody knows later."
          placeholder="nightly-report"
          required
          data-autofocus
          {...form.getInputProps('name')}
        />
        <Endpoints value={form.values.endpoints} onChange={(value) => form.setFieldValue('endpoints', value)} />
        <Accounts
          value={form.values.serviceAccount}
          onChange={(value) => form.setFieldValue('serviceAccount', value)}
        />
        <RoleInput value={form.values.roles} onChange={(roles) => form.setFieldValue('roles', roles)} />
        <Select label="Ends" data={ends} allowDeselect={false} {...form.getInputProps('ends')} />
      </FormDrawer>
      <ShownOnce secret={secret} what="API key" onClose={() => setSecret(undefined)} />
    </>
  );
}

interface EndpointsProps {
  readonly value: string[];
  readonly onChange: (endpoints: string[]) => void;
}

function Endpoints({ value, onChange }: EndpointsProps) {
  const organization = useOrganization();
  const collections = useRoute('listCollections', { organization, limit: 1000 });
  const servers = useRoute('listOrganizationServers', { organization, limit: 1000, enabled: 'true' });
  const collectionNames = (collections.data?.items ?? []).map(({ name }) => name);
  const keys = (servers.data?.items ?? []).map(({ server }) => server).filter((key) => !collectionNames.includes(key));
  return (
    <MultiSelect
      label="Endpoints"
      description="None chosen: all that its roles, groups and account may use."
      placeholder={value.length === 0 ? 'All that it may use' : undefined}
      data={[
        { group: 'Collections', items: collectionNames },
        { group: 'Servers', items: [...new Set(keys)] },
      ]}
      value={value}
      onChange={onChange}
      searchable
      limit={100}
    />
  );
}

interface AccountsProps {
  readonly value: string | null;
  readonly onChange: (account: string | null) => void;
}

function Accounts({ value, onChange }: AccountsProps) {
  const organization = useOrganization();
  const { data } = useRoute('listServiceAccounts', { organization, limit: 1000 });
  if (!data || data.items.length === 0) return null;
  return (
    <Select
      label="Acts as a service account"
      description="With its groups, grants and roles beside the key’s own."
      placeholder="None"
      clearable
      searchable
      data={data.items.map(({ id, name }) => ({ value: id, label: name }))}
      value={value}
      onChange={onChange}
    />
  );
}
