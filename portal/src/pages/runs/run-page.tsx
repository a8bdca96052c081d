/** One program: orders to it, what it writes, its command and sealed variables. */
import { Anchor, Button, Code, Group, Skeleton, Stack, Table, Text, Title } from '@mantine/core';
import { Link, useLocation, useParams } from 'wouter';
import type { RouteOutput } from '#portal/api/client.ts';
import { useChange, useRoute } from '#portal/api/hooks.ts';
import { useSession } from '#portal/api/session.tsx';
import { confirm } from '#portal/parts/confirm.tsx';
import { CopyText } from '#portal/parts/copy.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { type PageTab, PageTabs } from '#portal/parts/page-tabs.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { LogTab } from './log-tab.tsx';
import { RunBadge } from './run-state.tsx';
import { VariablesTab } from './variables-tab.tsx';

type RunDetail = RouteOutput<'getRun'>;

export function Page() {
  const { server = '' } = useParams();
  const { data: run, error, refetch } = useRoute('getRun', { server }, { everyMs: 4000 });
  if (!run)
    return (
      <PageFrame title={server}>
        {error ? <ErrorPanel error={error} retry={() => void refetch()} /> : <Skeleton h={240} />}
      </PageFrame>
    );
  const tabs: readonly PageTab[] = [
    { value: 'now', title: 'Now', content: () => <Now run={run} /> },
    { value: 'logs', title: 'Logs', content: () => <LogTab server={server} /> },
    { value: 'variables', title: 'Variables', content: () => <VariablesTab run={run} /> },
    { value: 'definition', title: 'Definition', content: () => <Definition server={server} run={run} /> },
  ];
  return (
    <PageFrame title={run.title} about="A program that this gateway runs." actions={<Orders run={run} />}>
      <Group gap="sm">
        <RunBadge state={run.state} />
        <Anchor component={Link} size="sm" href={`/servers/${server}`}>
          As a server
        </Anchor>
      </Group>
      <PageTabs label="About this program" tabs={tabs} />
    </PageFrame>
  );
}

function Orders({ run: { server, state } }: { readonly run: RunDetail }) {
  const refreshes = ['getRun', 'listRuns', 'listRunLogs'] as const;
  const start = useChange('startRun', { refreshes, done: 'The next call starts it' });
  const stop = useChange('stopRun', { refreshes, done: 'It was ended, and stays so until it is started' });
  const restart = useChange('restartRun', { refreshes, done: 'It was ended: the next call starts it anew' });
  if (state === 'stopped')
    return (
      <Button loading={start.isPending} onClick={() => start.mutate({ server })}>
        Start
      </Button>
    );
  return (
    <>
      <Button variant="default" loading={restart.isPending} onClick={() => restart.mutate({ server })}>
        Restart
      </Button>
      <Button
        variant="default"
        loading={stop.isPending}
        onClick={() =>
          confirm({
            title: `Stop ${server}?`,
            text: 'Calls under way are cut, and new ones are refused until it is started again.',
            verb: 'Stop it',
            onConfirm: () => stop.mutate({ server }),
          })
        }
      >
        Stop
      </Button>
    </>
  );
}

const sandboxes = {
  bubblewrap: 'Bubblewrap',
  docker: 'Docker',
  podman: 'Podman',
  none: 'none: the rights of the gateway',
};

function Now({ run: { programs, lastExit, exits, port, portProblem, createdAt } }: { readonly run: RunDetail }) {
  return (
    <Stack>
      {programs.length === 0 ? (
        <Text size="sm">No program of it runs on this replica now: the next call starts one.</Text>
      ) : (
        <Table.ScrollContainer
          minWidth={480}
          scrollAreaProps={{ viewportProps: { tabIndex: 0, 'aria-label': 'Programs' } }}
        >
          <Table aria-label="Programs">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Process or container</Table.Th>
                <Table.Th>Since</Table.Th>
                <Table.Th>For</Table.Th>
                <Table.Th>Sandbox</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {programs.map(({ id, pid, container, organization, startedAt, sandbox }) => (
                <Table.Tr key={id}>
                  <Table.Td>
                    <Code>{pid ?? container ?? id}</Code>
                  </Table.Td>
                  <Table.Td>
                    <Time at={startedAt} />
                  </Table.Td>
                  <Table.Td>{organization ?? 'all'}</Table.Td>
                  <Table.Td>{sandboxes[sandbox]}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      <Text size="sm">
        Ended {exits} times since this gateway started.{' '}
        {lastExit && (
          <>
            Last: {lastExit.reason} <Time at={lastExit.at} />
            {lastExit.code !== null && `, code ${lastExit.code}`}
            {lastExit.signal !== null && `, ${lastExit.signal}`}.
          </>
        )}
      </Text>
      {port !== null && <Text size="sm">It answers by itself on port {port}.</Text>}
      {portProblem !== null && <Text size="sm">The port is not open: {portProblem}</Text>}
      <Text size="sm" c="dimmed">
        Defined <Time at={createdAt} />
      </Text>
    </Stack>
  );
}

function Definition({ server, run }: { readonly server: string; readonly run: RunDetail }) {
  const { user } = useSession();
  const [, navigate] = useLocation();
  const { data } = useRoute('exportRun', { server });
  const remove = useChange('removeRun', {
    refreshes: ['listRuns', 'listServers', 'listOrganizationServers'],
    done: `${server} was removed`,
  });
  return (
    <Stack>
      <CopyText text={JSON.stringify(run.transport, null, 2)} label="definition" />
      {data && (
        <>
          <Title order={2} size="h4">
            As code
          </Title>
          <Text size="sm">For gatehouse.yaml, without secrets:</Text>
          <CopyText text={data.yaml} label="YAML" />
        </>
      )}
      {run.managedBy === 'api' ? (
        <Button
          color="red"
          variant="light"
          w="fit-content"
          onClick={() =>
            confirm({
              title: `Remove ${server}?`,
              text: 'It is ended, and its definition, variables, enablements and grants go with it.',
              verb: 'Remove it',
              name: server,
              onConfirm: () => remove.mutate({ server }, { onSuccess: () => navigate('/runs') }),
            })
          }
        >
          Remove this server
        </Button>
      ) : (
        <Text size="sm" c="dimmed">
          It is defined elsewhere ({run.managedBy}): change or remove it there.
        </Text>
      )}
      {user !== null && (
        <Text size="sm" c="dimmed">
          Its command is changed on the gateway’s own machine: gatehouse edit {server}
        </Text>
      )}
    </Stack>
  );
}
