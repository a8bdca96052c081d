/** What a server is: changed by whoever it belongs to, credentials by group, and its removal. */
import { Alert, Anchor, Button, Code, Group, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { Link, useLocation } from 'wouter';
import { ApiError } from '#portal/api/client.ts';
import { sayRefused, useChange, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { confirm } from '#portal/parts/confirm.tsx';
import type { ServerItem } from './overview-tab.tsx';

interface TabProps {
  readonly item: ServerItem;
  readonly etag: string | undefined;
}

export function SettingsTab({ item, etag }: TabProps) {
  const session = useSession();
  const mayWrite = isAllowed(session, 'admin:servers:write', item.organization);
  return (
    <Stack maw={640}>
      {item.own ? (
        <Definition item={item} etag={etag} mayWrite={mayWrite} />
      ) : (
        <Alert color="blue" title="A server of the platform">
          <Text size="sm">
            Its address and command are its operators’ to change. Here it can be switched on and off, its tools blocked,
            and credentials given.
          </Text>
        </Alert>
      )}
      <Credentials item={item} />
      {item.own && mayWrite && <Removal item={item} />}
    </Stack>
  );
}

function Definition({ item, etag, mayWrite }: TabProps & { readonly mayWrite: boolean }) {
  const { organization, server, transport } = item;
  const url = typeof transport?.url === 'string' ? transport.url : '';
  const form = useForm({ initialValues: { title: item.title, url } });
  const update = useChange('updateOrganizationServer', {
    refreshes: ['getOrganizationServer', 'listOrganizationServers'],
    done: 'Saved: calls from now on go there',
    quiet: true,
  });
  const submit = form.onSubmit((values) =>
    update.mutate(
      {
        organization,
        server,
        title: values.title,
        ...(values.url !== url &&
          (item.kind === 'http' || item.kind === 'sse') && { transport: { kind: item.kind, url: values.url } }),
        ...(etag !== undefined && { etag }),
      },
      { onError: (error) => sayRefused(changedMeanwhile(error)) },
    ),
  );
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput label="Title" disabled={!mayWrite} {...form.getInputProps('title')} />
        {url !== '' && <TextInput label="Address" disabled={!mayWrite} {...form.getInputProps('url')} />}
        {mayWrite && (
          <Button type="submit" w="fit-content" loading={update.isPending} disabled={!form.isDirty()}>
            Save
          </Button>
        )}
      </Stack>
    </form>
  );
}

/** What to say of a refusal of an edit. */
export const changedMeanwhile = (error: Error): Error =>
  error instanceof ApiError && error.status === 412
    ? new Error('Somebody changed it meanwhile: reload the page to see what it is now, then change it again')
    : error;

function Credentials({ item: { organization, server } }: Pick<TabProps, 'item'>) {
  const session = useSession();
  const mayRead = isAllowed(session, 'admin:credentials:read', organization);
  const { items } = useList('listCredentials', { organization, server }, { enabled: mayRead });
  if (!mayRead) return null;
  return (
    <Stack gap={4}>
      <Title order={2} size="h4">
        Credentials
      </Title>
      {items.length === 0 && (
        <Text size="sm" c="dimmed">
          None: it is called without.
        </Text>
      )}
      {items.map(({ group, keyName, configured, header, url }) => (
        <Group key={`${group} ${keyName}`} gap="xs">
          <Text size="sm">{group ?? 'Everybody else'}</Text>
          <Text size="sm">{configured ? 'Configured' : 'no key'}</Text>
          {header !== null && <Code>{header}</Code>}
          {url !== null && <Code>{url}</Code>}
        </Group>
      ))}
      <Anchor component={Link} href={`/o/${organization}/keys`} size="sm">
        Give credentials by group in API Keys
      </Anchor>
    </Stack>
  );
}

function Removal({ item: { organization, server } }: Pick<TabProps, 'item'>) {
  const [, navigate] = useLocation();
  const remove = useChange('removeOrganizationServer', {
    refreshes: ['listOrganizationServers', 'listCollections'],
    done: `${server} was removed`,
  });
  return (
    <Stack gap={4} align="flex-start">
      <Title order={2} size="h4">
        Removal
      </Title>
      <Text size="sm" c="dimmed">
        Its grants and credentials go with it, and its place in collections.
      </Text>
      <Button
        color="red"
        variant="light"
        loading={remove.isPending}
        onClick={() =>
          confirm({
            title: `Remove ${server}?`,
            text: 'Nobody reaches it from then on. Its credentials cannot be brought back.',
            verb: 'Remove it',
            name: server,
            onConfirm: () =>
              remove.mutate({ organization, server }, { onSuccess: () => navigate(`/o/${organization}/servers`) }),
          })
        }
      >
        Remove this server
      </Button>
    </Stack>
  );
}
