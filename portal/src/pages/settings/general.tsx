/** Name, domain and outer id of the organization: the platform's to change. */
import { Button, Group, Skeleton, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQueryClient } from '@tanstack/react-query';
import type { RouteOutput } from '#portal/api/client.ts';
import { useChange } from '#portal/api/hooks.ts';
import { useSession } from '#portal/api/session.tsx';
import { useTagged } from '#portal/api/tagged.ts';
import { CopyText } from '#portal/parts/copy.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

export function General() {
  const organization = useOrganization();
  const { data, error, refetch } = useTagged('getOrganization', { organization });
  if (error) return <ErrorPanel error={error} retry={() => void refetch()} />;
  if (!data) return <Skeleton h={160} />;
  return <Fields key={data.etag} item={data.item} etag={data.etag} reload={() => void refetch()} />;
}

interface FieldsProps {
  readonly item: RouteOutput<'getOrganization'>;
  readonly etag: string | undefined;
  readonly reload: () => void;
}

function Fields({ item, etag, reload }: FieldsProps) {
  const { isPlatform, gateway } = useSession();
  const client = useQueryClient();
  const save = useChange('updateOrganization', {
    refreshes: ['getOrganization', 'listOrganizations'],
    done: 'The settings were saved',
  });
  const form = useForm({
    initialValues: { name: item.name, domain: item.domain ?? '', externalId: item.externalId ?? '' },
    validate: { name: (value) => (value.trim() === '' ? 'Needs a name' : null) },
  });
  const submit = form.onSubmit(({ name, domain, externalId }) =>
    save.mutate(
      {
        ...{ organization: item.slug, name },
        ...{ domain: domain === '' ? null : domain, externalId: externalId === '' ? null : externalId },
        ...(etag !== undefined && { etag }),
      },
      { onSuccess: () => client.invalidateQueries({ queryKey: ['session'] }), onError: reload },
    ),
  );
  return (
    <form onSubmit={submit}>
      <Stack maw={560}>
        <div>
          <Text size="sm" fw={500}>
            Address
          </Text>
          <CopyText text={`${gateway.baseUrl}/${item.slug}/mcp`} label="address" />
        </div>
        <TextInput label="Name" required disabled={!isPlatform} {...form.getInputProps('name')} />
        <TextInput
          label="Domain"
          description="A host name whose /mcp is this organization’s."
          placeholder="mcp.example.com"
          disabled={!isPlatform}
          {...form.getInputProps('domain')}
        />
        <TextInput
          label="Outer id"
          description="As the identity provider calls this organization (org_…)."
          disabled={!isPlatform}
          {...form.getInputProps('externalId')}
        />
        {!isPlatform && (
          <Text size="sm" c="dimmed">
            An administrator of the whole gateway can change these.
          </Text>
        )}
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
