/** Programs and containers that the gateway runs itself. */
import { Button, Text } from '@mantine/core';
import { Link, useLocation } from 'wouter';
import { useList } from '#portal/api/hooks.ts';
import { kindName } from '#portal/pages/servers/state.tsx';
import { useListQuery } from '#portal/parts/list-query.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { type Run, RunBadge } from './run-state.tsx';

const columns: readonly Column<Run>[] = [
  { title: 'Server', sort: 'server', cell: ({ server }) => server },
  { title: 'Kind', cell: ({ kind }) => kindName(kind) },
  { title: 'State', cell: ({ state }) => <RunBadge state={state} /> },
  { title: 'Programs', isNumeric: true, cell: ({ programs }) => programs.length },
  {
    title: 'Since',
    cell: ({ startedAt }) => (startedAt === null ? <Text c="dimmed">-</Text> : <Time at={startedAt} />),
  },
  { title: 'Ended', isNumeric: true, cell: ({ exits }) => exits },
  { title: 'Port', isNumeric: true, cell: ({ port }) => port ?? <Text c="dimmed">none</Text> },
];

export function Page() {
  const [, navigate] = useLocation();
  const list = useList('listRuns', useListQuery(['server']), { everyMs: 5000 });
  const add = (
    <Button component={Link} href="/servers/add">
      Run a server
    </Button>
  );
  return (
    <PageFrame title="Runs" about="Programs and containers that this gateway starts, watches and ends." actions={add}>
      <ResourceTable
        label="Runs"
        list={list}
        columns={columns}
        rowKey={({ server }) => server}
        onOpen={({ server }) => navigate(`/runs/${server}`)}
        searchLabel="Search runs"
        empty={
          <Empty title="Nothing runs here" action={add}>
            Servers that come as a command (npx, uvx) or an image run on this machine: in a sandbox, with limits,
            started at the first call and ended when nobody needs them.
          </Empty>
        }
      />
    </PageFrame>
  );
}
