/** A group's other address for a server. A key was given for one address: another address needs it again. */
import { Alert, Button, Drawer, PasswordInput, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useChange } from '#portal/api/hooks.ts';
import { PickServerAndGroup } from '#portal/parts/pick.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import type { Credential } from './routing-page.tsx';

interface DrawerProps {
  readonly open: Credential | 'new' | undefined;
  readonly onClose: () => void;
}

export function RouteDrawer({ open, onClose }: DrawerProps) {
  const known = open === 'new' ? undefined : open;
  const title = known ? `Address of ${known.group ?? 'everybody else'} for ${known.server}` : 'Add an address';
  return (
    <Drawer opened={open !== undefined} onClose={onClose} title={title}>
      {open !== undefined && <RouteForm known={known} onClose={onClose} />}
    </Drawer>
  );
}

interface Values {
  readonly server: string | null;
  readonly group: string | null;
  readonly url: string;
  readonly credential: string;
}

const checkUrl = (url: string): string | null =>
  URL.canParse(url) && /^https?:/.test(url) ? null : 'A whole address, such as https://mcp.example.com/mcp';

function RouteForm({ known, onClose }: { readonly known: Credential | undefined; readonly onClose: () => void }) {
  const organization = useOrganization();
  const save = useChange('setCredential', {
    refreshes: ['listCredentials'],
    done: ({ server, group }) => `${group ?? 'Everybody else'} reaches ${server} at the new address`,
  });
  const form = useForm<Values>({
    initialValues: {
      ...{ server: known?.server ?? null, group: known?.group ?? null },
      ...{ url: known?.url ?? '', credential: '' },
    },
    validate: { server: (value) => (value === null ? 'Choose a server' : null), url: checkUrl },
  });
  const isMoved = known !== undefined && form.values.url !== known.url;
  const submit = form.onSubmit(({ server, group, url, credential }) => {
    if (server === null) return;
    const header = known?.header && known.header.toLowerCase() !== 'authorization' ? known.header : undefined;
    save.mutate(
      {
        ...{ organization, server, url, keyName: known?.keyName ?? '' },
        ...(group !== null && { group }),
        ...(credential !== '' && {
          credential,
          ...(header !== undefined && { header: { name: header, template: '{}' } }),
        }),
        ...(credential === '' && known?.configured && !isMoved && { keepCredential: true }),
      },
      { onSuccess: onClose },
    );
  });
  return (
    <form onSubmit={submit} autoComplete="off">
      <Stack>
        {!known && (
          <PickServerAndGroup
            values={form.values}
            errors={form.errors}
            onChange={(name, value) => form.setFieldValue(name, value)}
            withoutGroup="None: everybody for whom no group of theirs has an address."
          />
        )}
        <TextInput
          label="Address"
          description="https and public; it is checked when it is saved and at every connection."
          placeholder="https://mcp.example.com/mcp"
          type="url"
          required
          {...form.getInputProps('url')}
        />
        {known?.configured && isMoved && (
          <Alert color="yellow">
            The key that is kept was given for the old address. Give it again, or calls go out without one.
          </Alert>
        )}
        <PasswordInput
          label="Key"
          description={
            known?.configured && !isMoved
              ? 'Configured: leave empty to keep it.'
              : 'Sent to this address only. Optional.'
          }
          autoComplete="new-password"
          visibilityToggleButtonProps={{ 'aria-label': 'Show what was typed' }}
          {...form.getInputProps('credential')}
        />
        <Button type="submit" loading={save.isPending}>
          Check and save
        </Button>
      </Stack>
    </form>
  );
}
