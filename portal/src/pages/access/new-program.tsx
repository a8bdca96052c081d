/** The form of a program's OAuth client. */
import { Checkbox, Stack, TagsInput, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import type { RouteInput } from '#portal/api/client.ts';
import { useChange } from '#portal/api/hooks.ts';
import { FormDrawer } from '#portal/parts/form-drawer.tsx';
import { RoleInput } from '#portal/parts/role-input.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

type Input = Required<RouteInput<'createClient'>>;
type Grants = Input['grants'];
type Scopes = Input['scopes'];

interface Values {
  readonly name: string;
  readonly grants: Grants;
  readonly scopes: Scopes;
  readonly roles: string[];
  readonly redirectUris: string[];
}

const begun: Values = {
  ...{ name: '', grants: ['client_credentials'], scopes: ['mcp:read', 'mcp:write'], roles: [], redirectUris: [] },
};

interface NewProgramProps {
  readonly opened: boolean;
  readonly onClose: () => void;
  readonly onMade: (secret: string) => void;
}

export function NewProgram({ opened, onClose, onMade }: NewProgramProps) {
  const organization = useOrganization();
  const create = useChange('createClient', { refreshes: ['listClients'], done: ({ name }) => `${name} was made` });
  const form = useForm<Values>({
    initialValues: begun,
    validate: { name: (value) => (value.trim() === '' ? 'Needs a name' : null) },
  });
  const submit = form.onSubmit((values) =>
    create.mutate(
      { organization, ...values },
      {
        onSuccess: ({ secret }) => {
          form.reset();
          onClose();
          if (secret !== null) onMade(secret);
        },
      },
    ),
  );
  return (
    <FormDrawer
      title="New program"
      opened={opened}
      onClose={onClose}
      onSubmit={submit}
      verb="Make it"
      isBusy={create.isPending}
    >
      <TextInput label="Name" required data-autofocus {...form.getInputProps('name')} />
      <Checkbox.Group label="It may ask for tokens" {...form.getInputProps('grants')}>
        <Stack gap={6} mt={6}>
          <Checkbox value="client_credentials" label="of its own (client credentials)" />
          <Checkbox value="token-exchange" label="in exchange for a person's (token exchange)" />
          <Checkbox value="jwt-bearer" label="by an assertion (JWT bearer)" />
        </Stack>
      </Checkbox.Group>
      <Checkbox.Group label="Its tokens may" {...form.getInputProps('scopes')}>
        <Stack gap={6} mt={6}>
          <Checkbox value="mcp:read" label="see tools (mcp:read)" />
          <Checkbox value="mcp:write" label="call tools (mcp:write)" />
        </Stack>
      </Checkbox.Group>
      <RoleInput
        value={form.values.roles}
        onChange={(roles) => form.setFieldValue('roles', roles)}
        description="Its own, in this organization: collections and policies ask for them."
      />
      <TagsInput
        label="Redirect addresses"
        description="Only where people sign in through it."
        placeholder="https://app.example.com/callback"
        {...form.getInputProps('redirectUris')}
      />
    </FormDrawer>
  );
}
