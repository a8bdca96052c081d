/** How the gateway itself is: its parts, its replicas and every server. */
import { Alert, Badge, SimpleGrid, Text } from '@mantine/core';
import { CircleAlert, CircleCheck } from 'lucide-react';
import { type Item, useList, useRoute } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { bytes, count, Figure, Panel } from '#portal/pages/insight/figures.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty, ErrorPanel } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { Parts } from './parts.tsx';

type Health = Item<'listServerHealth'>;

const colors = { well: 'green', unused: 'gray', degraded: 'yellow', failing: 'red' } as const;

const columns: readonly Column<Health>[] = [
  { title: 'Server', sort: 'key', cell: ({ key }) => key },
  {
    title: 'State',
    sort: 'state',
    cell: ({ state }) => (
      <Badge color={colors[state]} variant="light" tt="none">
        {state}
      </Badge>
    ),
  },
  { title: 'Kind', cell: ({ kind }) => kind },
  { title: 'Instances', isNumeric: true, cell: ({ healthy, instances }) => `${healthy} of ${instances}` },
  { title: 'Calls now', isNumeric: true, cell: ({ underWay }) => count(underWay) },
  { title: 'Waiting', isNumeric: true, cell: ({ waiting }) => count(waiting) },
  { title: 'Checked', cell: ({ lastCheck }) => <Time at={lastCheck} /> },
  {
    title: 'Last failure',
    cell: ({ lastFailure }) =>
      lastFailure === null ? (
        <Text span size="sm" c="dimmed">
          none
        </Text>
      ) : (
        <>
          {lastFailure.reason} <Time at={lastFailure.at} />
        </>
      ),
  },
];

export function Page() {
  const session = useSession();
  const [sort] = useUrlState('sort');
  const [search] = useUrlState('search');
  const order = (['key', '-key', 'state', '-state'] as const).find((one) => one === sort);
  const list = useList(
    'listServerHealth',
    { ...(order && { sort: order }), ...(search !== '' && { search }) },
    { everyMs: 15_000, enabled: isAllowed(session, 'admin:servers:read') },
  );
  const status = useRoute('getStatus', {}, { everyMs: 15_000 });
  const parts = useRoute('getHealth', {}, { everyMs: 15_000 });
  const runner = useRoute('listServerHealth', { limit: 1 }, { everyMs: 30_000 }).data?.runner;
  const error = status.error ?? parts.error;
  return (
    <PageFrame title="Health" about="As the replica that answers knows it. Renewed every 15 seconds.">
      {error && <ErrorPanel error={error} retry={() => void parts.refetch()} />}
      {status.data?.configuration && <Configuration {...status.data.configuration} />}
      {status.data && parts.data && (
        <SimpleGrid cols={{ base: 2, md: 4 }}>
          <Figure label="Version" value={status.data.version} about={status.data.demo ? 'demo' : status.data.url} />
          <Figure label="Running since" value={<Time at={parts.data.startedAt} />} />
          <Figure
            label="Replicas"
            value={Math.max(1, parts.data.replicas.length)}
            about="heard of in the last five minutes"
          />
          <Figure
            label="Memory"
            value={bytes(parts.data.memory.usedBytes)}
            about={`of ${bytes(parts.data.memory.limitBytes)}`}
          />
        </SimpleGrid>
      )}
      {parts.data && <Parts health={parts.data} runner={runner ?? null} />}
      <Panel title="Servers">
        <ResourceTable
          label="How servers are"
          list={list}
          columns={columns}
          rowKey={({ key, organization }) => `${organization ?? ''}/${key}`}
          searchLabel="Find a server"
          empty={
            <Empty title="No server yet">
              Servers appear here as soon as there is one: add it on an organization’s page.
            </Empty>
          }
        />
      </Panel>
    </PageFrame>
  );
}

interface ConfigurationProps {
  readonly file: string | null;
  readonly appliedAt: string;
  readonly problem: string | null;
  readonly needsRestart: readonly string[];
}

function Configuration({ file, appliedAt, problem, needsRestart }: ConfigurationProps) {
  if (problem !== null)
    return (
      <Alert
        color="red"
        icon={<CircleAlert aria-hidden />}
        title="The configuration file is wrong: what was before goes on"
      >
        <Text size="sm">{problem}</Text>
        <Text size="sm">Mend {file ?? 'the file'}; it is read again when it changes.</Text>
      </Alert>
    );
  if (needsRestart.length > 0)
    return (
      <Alert color="yellow" icon={<CircleAlert aria-hidden />} title="Restart the gateway to apply all of its file">
        <Text size="sm">Changed, and read at a start only: {needsRestart.join(', ')}</Text>
      </Alert>
    );
  return (
    <Alert color="green" icon={<CircleCheck aria-hidden />} title="The configuration is as its file says">
      <Text size="sm" component="div">
        {file} · applied <Time at={appliedAt} />
      </Text>
    </Alert>
  );
}
