/** Servers of an organization: its own, and those of the platform that are offered to it. */
import { Badge, Button, Group, SegmentedControl, Switch, Text } from '@mantine/core';
import { Link, useLocation } from 'wouter';
import { type Item, useChange, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { useListQuery } from '#portal/parts/list-query.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { type Health, kindName, StateBadge } from './state.tsx';

type Enablement = Item<'listOrganizationServers'>;

export function Page() {
  const organization = useOrganization();
  const session = useSession();
  const [, navigate] = useLocation();
  const [shown] = useUrlState('show');
  const query = useListQuery(['server', 'title', 'kind']);
  const list = useList('listOrganizationServers', {
    organization,
    ...query,
    ...(shown === 'own' && { own: 'true' }),
    ...(shown === 'on' && { enabled: 'true' }),
    ...(shown === 'off' && { enabled: 'false' }),
  });
  const { items: health } = useList('listOrganizationHealth', { organization, limit: 1000 }, { everyMs: 15_000 });
  const mayAdd = isAllowed(session, 'admin:servers:write', organization);
  const add = mayAdd && (
    <Group gap="xs">
      <Button variant="default" component={Link} href={`/o/${organization}/catalogue`}>
        Catalogue
      </Button>
      <Button component={Link} href={`/o/${organization}/servers/add`}>
        Add a server
      </Button>
    </Group>
  );
  return (
    <PageFrame
      title="Servers"
      about="MCP servers that people and programs of this organization can reach through the gateway."
      actions={add}
    >
      <ResourceTable
        label="Servers"
        list={list}
        columns={columnsOf(organization, new Map(health.map((each) => [each.key, each])))}
        rowKey={({ server, own }) => `${server} ${own}`}
        onOpen={({ server }) => navigate(`/o/${organization}/servers/${server}`)}
        searchLabel="Search servers"
        filters={<Which />}
        empty={
          <Empty title="No server yet" action={add}>
            A server offers tools: a ticket system, a database, a search. Add one by its address, from the catalogue, or
            by pasting what its makers tell you to paste into a client.
          </Empty>
        }
      />
    </PageFrame>
  );
}

function Which() {
  const [shown, setShown] = useUrlState('show');
  return (
    <SegmentedControl
      aria-label="Which servers"
      size="xs"
      value={shown === '' ? 'all' : shown}
      onChange={(value) => setShown(value === 'all' ? '' : value)}
      data={[
        { value: 'all', label: 'All' },
        { value: 'on', label: 'On' },
        { value: 'off', label: 'Off' },
        { value: 'own', label: 'Own' },
      ]}
    />
  );
}

function columnsOf(organization: string, health: ReadonlyMap<string, Health>): readonly Column<Enablement>[] {
  return [
    { title: 'Server', sort: 'server', cell: ({ server }) => server },
    { title: 'Title', sort: 'title', cell: ({ title }) => title },
    { title: 'Kind', sort: 'kind', cell: ({ kind }) => kindName(kind) },
    {
      title: 'State',
      cell: (row) => <StateBadge state={isOn(row) ? (health.get(row.server)?.state ?? 'unknown') : 'off'} />,
    },
    { title: 'From', cell: ({ own }) => (own ? 'This organization' : 'Platform') },
    { title: 'Blocked tools', isNumeric: true, cell: blockedOf },
    { title: 'On', cell: (row) => <OnSwitch organization={organization} row={row} /> },
  ];
}

const isOn = ({ active, enablement }: Enablement) => active && enablement?.enabled === true;

function blockedOf({ enablement, blockedTools }: Enablement) {
  const count = new Set([...blockedTools, ...(enablement?.blockedTools ?? [])]).size;
  return count === 0 ? (
    <Text c="dimmed">0</Text>
  ) : (
    <Badge color="orange" variant="light">
      {count}
    </Badge>
  );
}

function OnSwitch({ organization, row }: { readonly organization: string; readonly row: Enablement }) {
  const session = useSession();
  const { server, active, enablement } = row;
  const change = useChange('putEnablement', {
    refreshes: ['listOrganizationServers', 'getOrganizationServer', 'listOrganizationHealth'],
    done: ({ enablement: now }) => (now?.enabled ? `${server} is on` : `${server} is off`),
  });
  if (!active)
    return (
      <Text size="sm" c="dimmed">
        off for everybody
      </Text>
    );
  return (
    <Switch
      aria-label={`${server} is on`}
      checked={enablement?.enabled === true}
      disabled={change.isPending || !isAllowed(session, 'admin:enablements:write', organization)}
      onChange={({ currentTarget }) => change.mutate({ organization, server, enabled: currentTarget.checked })}
    />
  );
}
