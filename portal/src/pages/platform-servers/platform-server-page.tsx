/** One server of the platform: how it is for all, where it is offered, what it is. */
import { Alert, Button, Group, Select, Skeleton, Stack, Switch, Table, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useState } from 'react';
import { Link, useLocation, useParams } from 'wouter';
import type { RouteOutput } from '#portal/api/client.ts';
import { sayRefused, useChange, useList } from '#portal/api/hooks.ts';
import { useSession } from '#portal/api/session.tsx';
import { useTagged } from '#portal/api/tagged.ts';
import { Figures } from '#portal/pages/servers/overview-tab.tsx';
import { changedMeanwhile } from '#portal/pages/servers/settings-tab.tsx';
import { confirm } from '#portal/parts/confirm.tsx';
import { CopyText } from '#portal/parts/copy.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { type PageTab, PageTabs } from '#portal/parts/page-tabs.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';

type Detail = RouteOutput<'getServer'>;
interface TabProps {
  readonly item: Detail;
  readonly etag: string | undefined;
}

export function Page() {
  const { server = '' } = useParams();
  const { data, error, refetch } = useTagged('getServer', { server });
  if (!data)
    return (
      <PageFrame title={server}>
        {error ? <ErrorPanel error={error} retry={() => void refetch()} /> : <Skeleton h={240} />}
      </PageFrame>
    );
  const { item, etag } = data;
  const isRun = ['stdio', 'process', 'container'].includes(item.kind);
  const tabs: readonly PageTab[] = [
    { value: 'health', title: 'Health', content: () => <HealthTab item={item} /> },
    { value: 'organizations', title: 'Organizations', content: () => <OfferTab item={item} /> },
    { value: 'settings', title: 'Settings', content: () => <SettingsTab item={item} etag={etag} /> },
  ];
  return (
    <PageFrame
      title={item.title}
      about={`${item.key}, defined by ${definers[item.managedBy] ?? item.managedBy}`}
      actions={
        isRun && (
          <Button variant="default" component={Link} href={`/runs/${server}`}>
            Processes and logs
          </Button>
        )
      }
    >
      <PageTabs label="About this server" tabs={tabs} />
    </PageFrame>
  );
}

const definers: Readonly<Record<string, string>> = {
  api: 'somebody, through portal or command line',
  file: 'gatehouse.yaml',
  catalog: 'the catalogue',
};

function HealthTab({ item }: { readonly item: Detail }) {
  const { items, error, reload } = useList('listServerHealth', { search: item.key, limit: 1000 }, { everyMs: 5000 });
  const health = items.find(({ key, organization }) => key === item.key && organization === item.organization);
  if (error) return <ErrorPanel error={error} retry={reload} />;
  if (!health) return <Skeleton h={100} />;
  return (
    <Stack>
      <Figures health={health} isOn={item.active} />
      {health.refused.map(({ organization, retryAt }) => (
        <Alert key={organization} color="red" title="Calls of an organization are refused for a while">
          <Text size="sm">
            {organization}: it is tried again <Time at={retryAt} />. Its page in the organization has “Retry now”.
          </Text>
        </Alert>
      ))}
      {health.endpoints.length > 0 && (
        <Table aria-label="Addresses">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Address</Table.Th>
              <Table.Th>State</Table.Th>
              <Table.Th ta="right">Calls</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {health.endpoints.map(({ address, ejected, leaving, underWay }) => (
              <Table.Tr key={address}>
                <Table.Td>{address}</Table.Td>
                <Table.Td>{ejected ? 'fails: left out' : leaving ? 'leaving' : 'well'}</Table.Td>
                <Table.Td ta="right">{underWay}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Stack>
  );
}

function OfferTab({ item: { key } }: { readonly item: Detail }) {
  const { organizations } = useSession();
  const [slug, setSlug] = useState<string | null>(null);
  const refreshes = ['listOrganizationServers', 'getOrganizationServer'] as const;
  const put = useChange('putEnablement', { refreshes, done: ({ organization }) => `${key} is on for ${organization}` });
  const take = useChange('removeEnablement', {
    refreshes,
    done: ({ organization }) => `${key} was taken from ${organization}`,
  });
  return (
    <Stack maw={520}>
      <Text size="sm">
        An organization sees this server once it is offered to it; from then on its administrators switch it on and off
        and say who may use it.
      </Text>
      <Select
        label="Organization"
        data={organizations.map((each) => ({ value: each.slug, label: each.name }))}
        value={slug}
        onChange={setSlug}
        searchable
        limit={100}
      />
      <Group>
        <Button
          disabled={slug === null}
          loading={put.isPending}
          onClick={() => slug !== null && put.mutate({ organization: slug, server: key, enabled: true })}
        >
          Offer and enable
        </Button>
        <Button
          variant="default"
          disabled={slug === null}
          loading={take.isPending}
          onClick={() => slug !== null && take.mutate({ organization: slug, server: key })}
        >
          Take away
        </Button>
        {slug !== null && (
          <Button variant="subtle" component={Link} href={`/o/${slug}/servers/${key}`}>
            Look at it there
          </Button>
        )}
      </Group>
    </Stack>
  );
}

function SettingsTab({ item, etag }: TabProps) {
  const [, navigate] = useLocation();
  const form = useForm({ initialValues: { title: item.title, trusted: item.trusted } });
  const refreshes = ['getServer', 'listServers'] as const;
  const update = useChange('updateServer', { refreshes, done: 'Saved', quiet: true });
  const remove = useChange('removeServer', {
    refreshes: ['listServers', 'listOrganizationServers'],
    done: `${item.key} was removed`,
  });
  const submit = form.onSubmit((values) =>
    update.mutate(
      { server: item.key, ...values, ...(etag !== undefined && { etag }) },
      { onError: (error) => sayRefused(changedMeanwhile(error)) },
    ),
  );
  const isOurs = item.managedBy === 'api';
  return (
    <Stack maw={640}>
      <form onSubmit={submit}>
        <Stack>
          <TextInput label="Title" disabled={!isOurs} {...form.getInputProps('title')} />
          <Switch
            label="Trusted"
            description="It is told who calls: e-mail, name, groups."
            disabled={!isOurs}
            {...form.getInputProps('trusted', { type: 'checkbox' })}
          />
          <Button type="submit" w="fit-content" disabled={!isOurs || !form.isDirty()} loading={update.isPending}>
            Save
          </Button>
        </Stack>
      </form>
      <Title order={2} size="h4">
        Definition
      </Title>
      <CopyText text={JSON.stringify(item.transport, null, 2)} label="definition" />
      {isOurs ? (
        <Button
          color="red"
          variant="light"
          w="fit-content"
          loading={remove.isPending}
          onClick={() =>
            confirm({
              title: `Remove ${item.key}?`,
              text: 'It goes from every organization and collection, with its grants.',
              verb: 'Remove it',
              name: item.key,
              onConfirm: () => remove.mutate({ server: item.key }, { onSuccess: () => navigate('/servers') }),
            })
          }
        >
          Remove this server
        </Button>
      ) : (
        <Text size="sm" c="dimmed">
          Defined by {definers[item.managedBy] ?? item.managedBy}: change it there. It can be switched off here.
        </Text>
      )}
    </Stack>
  );
}
