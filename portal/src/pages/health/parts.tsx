/** Database, limiter, trail, runner: one line each. */
import { Badge, Table } from '@mantine/core';
import type { RouteOutput } from '#portal/api/client.ts';
import { bytes, count, Panel } from '#portal/pages/insight/figures.tsx';
import { Scrolling } from '#portal/parts/scrolling.tsx';
import { Time } from '#portal/parts/time.tsx';

type Health = RouteOutput<'getHealth'>;
type Runner = RouteOutput<'listServerHealth'>['runner'];

interface Line {
  readonly part: string;
  readonly isWell: boolean;
  readonly state: string;
  readonly about: string;
}

export function Parts({ health, runner }: { readonly health: Health; readonly runner: Runner }) {
  return (
    <Panel title="Parts">
      <Scrolling className="" style={{ overflowX: 'auto' }} label="Parts of the gateway">
        <Table aria-label="Parts of the gateway">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Part</Table.Th>
              <Table.Th>State</Table.Th>
              <Table.Th>About</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {linesOf(health, runner).map(({ part, isWell, state, about }) => (
              <Table.Tr key={part}>
                <Table.Td>{part}</Table.Td>
                <Table.Td>
                  <Badge color={isWell ? 'green' : 'red'} variant="light" tt="none">
                    {state}
                  </Badge>
                </Table.Td>
                <Table.Td>{about}</Table.Td>
              </Table.Tr>
            ))}
            {health.replicas.map(({ id, startedAt, seenAt }) => (
              <Table.Tr key={id}>
                <Table.Td>Replica {id.slice(-8)}</Table.Td>
                <Table.Td>
                  <Badge color="green" variant="light" tt="none">
                    well
                  </Badge>
                </Table.Td>
                <Table.Td>
                  started <Time at={startedAt} />, heard of <Time at={seenAt} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Scrolling>
    </Panel>
  );
}

function linesOf({ database, limiter, trail }: Health, runner: Runner): readonly Line[] {
  const { dropped, refused, waitingBytes } = trail;
  const lines: Line[] = [
    {
      ...{ part: 'Database', isWell: database.state === 'well', state: database.state },
      about: `${database.kind}, answered in ${database.ms} ms`,
    },
    {
      ...{ part: 'Limiter', isWell: limiter.state === 'well', state: limiter.state },
      about: `${limiter.kind === 'redis' ? 'shared by replicas (Redis)' : 'in memory of this replica'}, ${count(limiter.keys ?? 0)} counters`,
    },
    {
      ...{ part: 'Audit trail', isWell: trail.accepting && dropped + refused === 0 },
      state: !trail.accepting ? 'full' : dropped + refused > 0 ? 'lost records' : 'well',
      about: `${bytes(waitingBytes)} wait for the database; ${dropped} dropped, ${refused} refused`,
    },
  ];
  if (!runner) return lines;
  const { sandbox, containers } = runner;
  return [
    ...lines,
    {
      ...{ part: 'Sandbox of programs', isWell: sandbox.state !== 'unavailable', state: sandbox.state },
      about: `${sandbox.kind}${sandbox.reason === null ? '' : `: ${sandbox.reason}`}; ${runner.running} run`,
    },
    {
      ...{ part: 'Containers', isWell: containers.reason === null, state: containers.engine ?? 'not needed yet' },
      about: containers.reason ?? `${containers.running} run`,
    },
  ];
}
