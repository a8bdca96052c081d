/** Every server of the gateway, whoever's it is, and how it is. */
import { Button, Switch, Text } from '@mantine/core';
import { Link, useLocation } from 'wouter';
import { type Item, useChange, useList } from '#portal/api/hooks.ts';
import { kindName, LastFailure, StateBadge } from '#portal/pages/servers/state.tsx';
import { useListQuery } from '#portal/parts/list-query.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';

type Server = Item<'listServers'>;
type Health = Item<'listServerHealth'>;

export function Page() {
  const [, navigate] = useLocation();
  const list = useList('listServers', useListQuery(['key', 'title', 'kind']));
  const { items: health } = useList('listServerHealth', { limit: 1000 }, { everyMs: 15_000 });
  const add = (
    <Button component={Link} href="/servers/add">
      Add a server
    </Button>
  );
  return (
    <PageFrame
      title="All servers"
      about="Defined once for the whole gateway, and offered to organizations."
      actions={add}
    >
      <ResourceTable
        label="All servers"
        list={list}
        columns={columnsOf(new Map(health.map((each) => [each.key, each])))}
        rowKey={({ id }) => id}
        onOpen={({ key }) => navigate(`/servers/${key}`)}
        searchLabel="Search servers"
        empty={
          <Empty title="No server yet" action={add}>
            Servers that several organizations share are defined here; an organization can have its own as well.
          </Empty>
        }
      />
    </PageFrame>
  );
}

const columnsOf = (health: ReadonlyMap<string, Health>): readonly Column<Server>[] => [
  { title: 'Server', sort: 'key', cell: ({ key }) => key },
  { title: 'Title', sort: 'title', cell: ({ title }) => title },
  { title: 'Kind', sort: 'kind', cell: ({ kind }) => kindName(kind) },
  {
    title: 'State',
    cell: ({ key, active }) => <StateBadge state={active ? (health.get(key)?.state ?? 'unknown') : 'off'} />,
  },
  { title: 'Last failure', cell: ({ key }) => <LastFailure failure={health.get(key)?.lastFailure} /> },
  { title: 'Sign-in', cell: ({ accounts }) => (accounts === null ? <Text c="dimmed">shared</Text> : 'own accounts') },
  { title: 'On', cell: (row) => <ActiveSwitch row={row} /> },
];

function ActiveSwitch({ row: { key, active, organization } }: { readonly row: Server }) {
  const update = useChange('updateServer', {
    refreshes: ['listServers', 'getServer', 'listServerHealth'],
    done: (server) => (server.active ? `${key} is on` : `${key} is off for everybody`),
  });
  if (organization !== null) return <Text c="dimmed">{active ? 'on' : 'off'}</Text>;
  return (
    <Switch
      aria-label={`${key} is on`}
      checked={active}
      disabled={update.isPending}
      onChange={({ currentTarget }) => update.mutate({ server: key, active: currentTarget.checked })}
    />
  );
}
