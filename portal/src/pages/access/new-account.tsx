/** The form of a local account; its password is made by the gateway and shown once. */
import { Select, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useChange } from '#portal/api/hooks.ts';
import { useSession } from '#portal/api/session.tsx';
import { FormDrawer } from '#portal/parts/form-drawer.tsx';
import { RoleInput } from '#portal/parts/role-input.tsx';

interface NewAccountProps {
  readonly opened: boolean;
  readonly onClose: () => void;
  readonly onMade: (password: string | null) => void;
}

export function NewAccount({ opened, onClose, onMade }: NewAccountProps) {
  const { organizations } = useSession();
  const create = useChange('createAccount', { refreshes: ['listAccounts', 'listMembers', 'listPeople'] });
  const form = useForm({
    initialValues: { username: '', name: '', email: '', organization: '', roles: [] as string[] },
    validate: {
      username: (value) => (/^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/.test(value) ? null : 'Letters, digits and "._@+-"'),
    },
  });
  const submit = form.onSubmit(({ username, name, email, organization, roles }) =>
    create.mutate(
      {
        username,
        ...(name !== '' && { name }),
        ...(email !== '' && { email }),
        ...(organization !== '' && { organization, roles }),
      },
      {
        onSuccess: ({ password }) => {
          form.reset();
          onClose();
          onMade(password);
        },
      },
    ),
  );
  return (
    <FormDrawer
      title="New account"
      opened={opened}
      onClose={onClose}
      onSubmit={submit}
      verb="Make it"
      isBusy={create.isPending}
    >
      <TextInput label="Signs in as" required data-autofocus autoComplete="off" {...form.getInputProps('username')} />
      <TextInput label="Name" {...form.getInputProps('name')} />
      <TextInput
        label="E-mail"
        type="email"
        description="Counts as theirs for certain: groups and grants by address hold for it."
        {...form.getInputProps('email')}
      />
      <Select
        label="Member of"
        data={organizations.map(({ slug, name }) => ({ value: slug, label: name }))}
        searchable
        clearable
        limit={200}
        clearButtonProps={{ 'aria-label': 'Of no organization' }}
        value={form.values.organization || null}
        onChange={(slug) => form.setFieldValue('organization', slug ?? '')}
      />
      {form.values.organization !== '' && (
        <RoleInput value={form.values.roles} onChange={(roles) => form.setFieldValue('roles', roles)} />
      )}
    </FormDrawer>
  );
}
