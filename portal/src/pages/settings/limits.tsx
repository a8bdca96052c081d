/** Limits of the organization: so many calls in so long, of whom and to what. */
import { Button, Group, Text } from '@mantine/core';
import { Plus } from 'lucide-react';
import { useState } from 'react';
import { type Item, useChange, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { confirm } from '#portal/parts/confirm.tsx';
import { useListQuery } from '#portal/parts/list-query.ts';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { useOrganization } from '#portal/shell/organization.ts';
import { NewLimit } from './new-limit.tsx';

type Limit = Item<'listLimits'>;

const whoCounts = { organization: 'all together', principal: 'each caller', group: 'each group' };

const whoseOf = ({ counts, group, user, apiKey }: Limit): string => {
  if (group !== null) return `${whoCounts[counts]}, of the group ${group}`;
  if (user !== null) return `the person ${user}`;
  return apiKey === null ? whoCounts[counts] : `the key ${apiKey}`;
};
const whatOf = ({ server, tool }: Limit): string =>
  server === null ? 'every server' : tool === null ? server : `${tool} of ${server}`;
const spanOf = (seconds: number): string => {
  const known: Readonly<Record<number, string>> = { 1: 'second', 60: 'minute', 3600: 'hour', 86400: 'day' };
  return known[seconds] ?? `${seconds} seconds`;
};
const muchOf = ({ points, windowSeconds, burst, concurrent }: Limit): string =>
  [
    points !== null && `${points.toLocaleString('en')} a ${spanOf(windowSeconds ?? 60)}`,
    burst !== null && burst > 0 && `${burst} more at once`,
    concurrent !== null && `${concurrent} under way at once`,
  ]
    .filter((part) => part !== false)
    .join(', ');

export function Limits() {
  const session = useSession();
  const organization = useOrganization();
  const [isNew, setNew] = useState(false);
  const list = useList('listLimits', { organization, ...useListQuery(['server', 'group', 'points']) });
  const canWrite = isAllowed(session, 'admin:limits:write', organization);
  const remove = useChange('removeLimit', { refreshes: ['listLimits'], done: 'The limit was taken away' });
  const ask = (limit: Limit) =>
    confirm({
      title: 'Take this limit away?',
      text: `${muchOf(limit)}, ${whoseOf(limit)}, ${whatOf(limit)}: it holds no longer, at once.`,
      verb: 'Take away',
      onConfirm: () => remove.mutate({ organization, id: limit.id }),
    });
  const add = canWrite && (
    <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setNew(true)}>
      Set a limit
    </Button>
  );
  const columns: readonly Column<Limit>[] = [
    { title: 'Calls', sort: 'points', cell: muchOf },
    { title: 'Who', sort: 'group', cell: (limit) => <Text size="sm">{whoseOf(limit)}</Text> },
    { title: 'Of what', sort: 'server', cell: (limit) => <Text size="sm">{whatOf(limit)}</Text> },
    {
      title: 'Actions',
      cell: (limit) =>
        canWrite && (
          <Button
            size="compact-sm"
            variant="subtle"
            color="red"
            aria-label={`Take away: ${muchOf(limit)}, ${whoseOf(limit)}, ${whatOf(limit)}`}
            onClick={() => ask(limit)}
          >
            Take away
          </Button>
        ),
    },
  ];
  return (
    <>
      {list.items.length > 0 && <Group mb="sm">{add}</Group>}
      <ResourceTable
        label="Limits"
        list={list}
        columns={columns}
        rowKey={({ id }) => id}
        empty={
          <Empty title="No limit of its own" action={add}>
            The gateway’s own limits hold. Set others for everybody, a group, a person, a key, a server or one tool.
          </Empty>
        }
      />
      <NewLimit opened={isNew} onClose={() => setNew(false)} />
    </>
  );
}
