/** The form of a new collection: its name, its servers, whom it is for. */
import { MultiSelect, Switch, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDebouncedValue } from '@mantine/hooks';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { useChange, useList } from '#portal/api/hooks.ts';
import { FormDrawer } from '#portal/parts/form-drawer.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

export function NewCollection({ opened, onClose }: { readonly opened: boolean; readonly onClose: () => void }) {
  const organization = useOrganization();
  const [, navigate] = useLocation();
  const form = useForm({
    initialValues: { name: '', servers: [] as string[], everybody: true },
    validate: {
      name: (name) => (/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name) ? null : 'Letters, digits, ".", "_" and "-"'),
      servers: (servers) => (servers.length === 0 ? 'Choose at least one' : null),
    },
  });
  const create = useChange('createCollection', {
    refreshes: ['listCollections'],
    done: ({ name }) => `${name} is published`,
  });
  const submit = form.onSubmit(({ name, servers, everybody }) =>
    create.mutate(
      { organization, name, allowedRoles: everybody ? '*' : [], bindings: servers.map((server) => ({ server })) },
      {
        onSuccess: () => {
          form.reset();
          navigate(`/o/${organization}/collections/${name}`);
        },
      },
    ),
  );
  return (
    <FormDrawer
      title="New collection"
      opened={opened}
      onClose={onClose}
      onSubmit={submit}
      verb="Publish it"
      isBusy={create.isPending}
    >
      <TextInput
        label="Name"
        description="The end of its address."
        required
        data-autofocus
        {...form.getInputProps('name')}
      />
      <ServerChoice
        value={form.values.servers}
        onChange={(servers) => form.setFieldValue('servers', servers)}
        error={form.errors.servers}
      />
      <Switch
        label="Every member may use it"
        description="Otherwise only roles and groups that you name afterwards."
        {...form.getInputProps('everybody', { type: 'checkbox' })}
      />
    </FormDrawer>
  );
}

interface ChoiceProps {
  readonly value: string[];
  readonly onChange: (servers: string[]) => void;
  readonly error?: React.ReactNode;
}

/** Those that are on; typing searches among all. */
export function ServerChoice({ value, onChange, error }: ChoiceProps) {
  const organization = useOrganization();
  const [search, setSearch] = useState('');
  const [settled] = useDebouncedValue(search, 200);
  const { items } = useList('listOrganizationServers', { organization, enabled: 'true', limit: 50, search: settled });
  const keys = new Set([...value, ...items.map(({ server }) => server)]);
  return (
    <MultiSelect
      label="Servers"
      placeholder={value.length === 0 ? 'Choose' : undefined}
      data={[...keys]}
      value={value}
      onChange={onChange}
      searchable
      searchValue={search}
      onSearchChange={setSearch}
      error={error}
      nothingFoundMessage="No server of that name is on"
    />
  );
}
