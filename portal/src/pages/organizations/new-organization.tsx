/** The form of a new organization. */
import { TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQueryClient } from '@tanstack/react-query';
import { useLocation } from 'wouter';
import { useChange } from '#portal/api/hooks.ts';
import { FormDrawer } from '#portal/parts/form-drawer.tsx';

const slugOf = (name: string): string =>
  name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 63);

export function NewOrganization({ opened, onClose }: { readonly opened: boolean; readonly onClose: () => void }) {
  const [, navigate] = useLocation();
  const client = useQueryClient();
  const create = useChange('createOrganization', {
    refreshes: ['listOrganizations'],
    done: ({ name }) => `${name} was made`,
  });
  const form = useForm({
    initialValues: { name: '', slug: '', domain: '' },
    validate: {
      name: (value) => (value.trim() === '' ? 'Needs a name' : null),
      slug: (value, { name }) =>
        /^[a-z0-9][a-z0-9-]{0,62}$/.test(value || slugOf(name)) ? null : 'a-z, 0-9 and "-", at most 63 characters',
    },
  });
  const submit = form.onSubmit(({ name, slug, domain }) =>
    create.mutate(
      { name, slug: slug || slugOf(name), ...(domain !== '' && { domain }) },
      {
        onSuccess: async (made) => {
          await client.invalidateQueries({ queryKey: ['session'] });
          form.reset();
          navigate(`/o/${made.slug}`);
        },
      },
    ),
  );
  return (
    <FormDrawer
      title="New organization"
      opened={opened}
      onClose={onClose}
      onSubmit={submit}
      verb="Make it"
      isBusy={create.isPending}
    >
      <TextInput label="Name" required data-autofocus {...form.getInputProps('name')} />
      <TextInput
        label="Short name"
        description="In addresses; it can't be changed later."
        placeholder={slugOf(form.values.name)}
        {...form.getInputProps('slug')}
      />
      <TextInput
        label="Domain"
        description="Optional: a host name of its own, whose /mcp is this organization's."
        placeholder="mcp.example.com"
        {...form.getInputProps('domain')}
      />
    </FormDrawer>
  );
}
