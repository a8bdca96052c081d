/** What there is, asking for it, and what came of it. */
import { Badge, Button, Drawer, MultiSelect, Stack, Text, Textarea } from '@mantine/core';
import { useState } from 'react';
import { type Item, useChange, useList } from '#portal/api/hooks.ts';
import { confirm } from '#portal/parts/confirm.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { PageTabs } from '#portal/parts/page-tabs.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

type Requestable = Item<'listRequestable'>;
type AccessRequest = Item<'listMyRequests'>;

export function Page() {
  return (
    <PageFrame
      title="Ask for access"
      about="Servers and collections of your organization that you don't have, or only a part of. An administrator decides."
    >
      <PageTabs
        label="Access"
        tabs={[
          { value: 'open', title: 'What there is', content: () => <Available /> },
          { value: 'mine', title: 'What I asked for', content: () => <Mine /> },
        ]}
      />
    </PageFrame>
  );
}

function Available() {
  const organization = useOrganization();
  const list = useList('listRequestable', { organization });
  const [asked, setAsked] = useState<Requestable>();
  const columns: readonly Column<Requestable>[] = [
    { title: 'Name', cell: ({ title }) => title },
    { title: 'Kind', cell: ({ kind }) => kind },
    {
      title: 'Tools',
      cell: ({ tools }) => (
        <Text size="sm" lineClamp={2}>
          {tools.length === 0 ? 'not known yet' : `${tools.length}: ${tools.slice(0, 12).join(', ')}`}
        </Text>
      ),
    },
    { title: 'Mine', cell: ({ isOpen }) => (isOpen ? 'a part of it' : 'no') },
    {
      title: '',
      cell: (row) => (
        <Button size="xs" variant="default" onClick={() => setAsked(row)} aria-label={`Ask for ${row.title}`}>
          Ask
        </Button>
      ),
    },
  ];
  return (
    <>
      <ResourceTable
        label="What can be asked for"
        list={list}
        columns={columns}
        rowKey={({ kind, name }) => `${kind} ${name}`}
        empty={<Empty title="You have it all">There is nothing here that you may not use already.</Empty>}
      />
      <Drawer opened={asked !== undefined} onClose={() => setAsked(undefined)} title={`Ask for ${asked?.title ?? ''}`}>
        {asked && <Ask of={asked} onDone={() => setAsked(undefined)} />}
      </Drawer>
    </>
  );
}

function Ask({ of, onDone }: { readonly of: Requestable; readonly onDone: () => void }) {
  const organization = useOrganization();
  const { kind, name, tools } = of;
  const [chosen, setChosen] = useState<string[]>([]);
  const [reason, setReason] = useState('');
  const create = useChange('createAccessRequest', {
    refreshes: ['listMyRequests', 'listRequestable'],
    done: 'Asked: an administrator decides',
  });
  const submit = (event: { preventDefault(): void }) => {
    event.preventDefault();
    const what = kind === 'server' ? { server: name } : { collection: name };
    create.mutate(
      { organization, reason, ...what, ...(chosen.length > 0 && { tools: chosen }) },
      { onSuccess: onDone },
    );
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {kind === 'server' && tools.length > 0 && (
          <MultiSelect
            label="Tools"
            description="Nothing chosen: all of them. Fewer are given more easily."
            data={[...new Set(tools)]}
            value={chosen}
            onChange={setChosen}
            searchable
            clearable
            clearButtonProps={{ 'aria-label': 'Choose none' }}
          />
        )}
        <Textarea
          label="What you need it for"
          required
          maxLength={1000}
          autosize
          minRows={3}
          data-autofocus
          value={reason}
          onChange={({ currentTarget }) => setReason(currentTarget.value)}
        />
        <Button type="submit" loading={create.isPending} disabled={reason.trim() === ''}>
          Ask
        </Button>
      </Stack>
    </form>
  );
}

const states = {
  open: { color: 'yellow', text: 'Waits' },
  approved: { color: 'green', text: 'Given' },
  refused: { color: 'red', text: 'Refused' },
  withdrawn: { color: 'gray', text: 'Taken back' },
} as const;

const columns: readonly Column<AccessRequest>[] = [
  { title: 'What', cell: ({ server, collection }) => server ?? collection ?? '–' },
  { title: 'Tools', cell: ({ tools }) => (tools === null ? 'all' : tools.join(', ')) },
  { title: 'Why', cell: ({ reason }) => <Text size="sm">{reason}</Text> },
  { title: 'Asked', cell: ({ createdAt }) => <Time at={createdAt} /> },
  { title: 'State', cell: ({ state, word }) => <State state={state} word={word} /> },
  { title: '', cell: (row) => <Withdraw {...row} /> },
];

const State = ({ state, word }: Pick<AccessRequest, 'state' | 'word'>) => (
  <div>
    <Badge color={states[state].color} variant="light">
      {states[state].text}
    </Badge>
    {word !== null && <Text size="xs">{word}</Text>}
  </div>
);

function Withdraw({ id, state, server, collection }: AccessRequest) {
  const organization = useOrganization();
  const withdraw = useChange('withdrawRequest', {
    refreshes: ['listMyRequests', 'listRequestable'],
    done: 'You took it back',
  });
  if (state !== 'open') return null;
  const what = server ?? collection ?? 'it';
  const ask = () =>
    confirm({
      title: `Take back that you asked for ${what}?`,
      text: 'You can ask again.',
      verb: 'Take it back',
      onConfirm: () => withdraw.mutate({ organization, id }),
    });
  return (
    <Button size="xs" variant="subtle" onClick={ask} aria-label={`Take back the request for ${what}`}>
      Take back
    </Button>
  );
}

function Mine() {
  const organization = useOrganization();
  const list = useList('listMyRequests', { organization });
  return (
    <ResourceTable
      label="What I asked for"
      list={list}
      columns={columns}
      rowKey={({ id }) => id}
      empty={<Empty title="You asked for nothing yet">Choose what you need under “What there is”.</Empty>}
    />
  );
}
