/** What members asked for, the open ones first, and what was decided. */
import { Badge, SegmentedControl, Text } from '@mantine/core';
import { useState } from 'react';
import { type Item, useList } from '#portal/api/hooks.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { DecideDrawer } from './decide-drawer.tsx';

export type AccessRequest = Item<'listAccessRequests'>;

const states = [
  { value: 'open', label: 'Open' },
  { value: 'approved', label: 'Approved' },
  { value: 'refused', label: 'Refused' },
  { value: 'withdrawn', label: 'Withdrawn' },
] as const;
const colors = { open: 'yellow', approved: 'green', refused: 'red', withdrawn: 'gray' } as const;

export const whoAsked = ({ email, name, user }: AccessRequest): string => email ?? name ?? user;
export const whatAsked = ({ server, collection, tools }: AccessRequest): string => {
  const what = server ?? collection ?? 'something that is gone';
  if (tools === null) return `all of ${what}`;
  return tools.length === 1 ? `${tools[0]} of ${what}` : `${tools.length} tools of ${what}`;
};

const columns: readonly Column<AccessRequest>[] = [
  { title: 'Who', cell: whoAsked },
  { title: 'Wants', cell: (request) => <Text size="sm">{whatAsked(request)}</Text> },
  {
    title: 'Because',
    cell: ({ reason }) => (
      <Text size="sm" lineClamp={2} maw={420}>
        {reason}
      </Text>
    ),
  },
  { title: 'Asked', cell: ({ createdAt }) => <Time at={createdAt} /> },
  {
    title: 'State',
    cell: ({ state }) => (
      <Badge variant="light" color={colors[state]}>
        {state}
      </Badge>
    ),
  },
];

export function Page() {
  const organization = useOrganization();
  const [chosen, setChosen] = useUrlState('state');
  const [open, setOpen] = useState<string>();
  const state = states.find(({ value }) => value === chosen)?.value ?? 'open';
  const list = useList('listAccessRequests', { organization, state }, { everyMs: 30_000 });
  return (
    <PageFrame
      title="Requests"
      about="Members ask at “My tools” for what they may not use yet. Give it, give fewer tools of it, or say why not."
    >
      <ResourceTable
        label="Requests"
        list={list}
        columns={columns}
        rowKey={({ id }) => id}
        onOpen={({ id }) => setOpen(id)}
        filters={
          <SegmentedControl
            aria-label="State"
            data={[...states]}
            value={state}
            onChange={(value) => setChosen(value === 'open' ? '' : value)}
          />
        }
        empty={
          <Empty title={state === 'open' ? 'Nobody waits for an answer' : `None were ${state}`}>
            When somebody asks for a server or a collection, it is here, and you decide.
          </Empty>
        }
      />
      <DecideDrawer request={list.items.find(({ id }) => id === open)} onClose={() => setOpen(undefined)} />
    </PageFrame>
  );
}
