/** Applications that members let in, and keeping one out. */
import { Badge, Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { Link } from 'wouter';
import { type Item, useChange, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { closeDialog, openDialog } from '#portal/parts/confirm.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

type App = Item<'listApps'>;

const kinds = { registered: 'registered itself', document: 'known by its document', program: 'program' } as const;

const columns: readonly Column<App>[] = [
  { title: 'Application', cell: (app) => <AppName {...app} /> },
  { title: 'Sends people back to', cell: ({ redirectHosts }) => redirectHosts.join(', ') || '–' },
  { title: 'People', cell: (app) => <People {...app} />, isNumeric: true },
  { title: 'Last seen', cell: ({ lastSeenAt }) => <Time at={lastSeenAt} /> },
  { title: 'State', cell: (app) => <State {...app} /> },
  { title: '', cell: (app) => <Block app={app} /> },
];

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : url);

const AppName = ({ client, name, kind, software }: App) => (
  <div>
    <Text size="sm" fw={500}>
      {name ?? client}
    </Text>
    <Text size="xs" c="dimmed">
      {kinds[kind]}
      {kind === 'document' && ` at ${hostOf(client)}`}
      {software !== null && `, ${software}`}
    </Text>
  </div>
);

function People({ client, people }: App) {
  const organization = useOrganization();
  return people === 0 ? (
    '0'
  ) : (
    <Link href={`/o/${organization}/tokens?${new URLSearchParams({ client }).toString()}`}>{people}</Link>
  );
}

const State = ({ blocked, blockedAt, reason }: App) =>
  blocked ? (
    <div>
      <Badge color="red" variant="light">
        Kept out
      </Badge>
      <Text size="xs" c="dimmed">
        {reason} <Time at={blockedAt} />
      </Text>
    </div>
  ) : (
    <Badge color="green" variant="light">
      Let in
    </Badge>
  );

export function Page() {
  const organization = useOrganization();
  const list = useList('listApps', { organization });
  return (
    <PageFrame
      title="Apps"
      about="Clients that members signed in with. One that is kept out is refused here, whoever lets it in."
    >
      <ResourceTable
        label="Apps"
        list={list}
        columns={columns}
        rowKey={({ client }) => client}
        empty={
          <Empty title="No application yet">
            As soon as somebody signs in with a client such as Claude Code or Cursor, it shows here.
          </Empty>
        }
      />
    </PageFrame>
  );
}

function Block({ app }: { readonly app: App }) {
  const organization = useOrganization();
  const session = useSession();
  const { client, name, blocked, people } = app;
  const called = name ?? client;
  const refreshes = ['listApps', 'listTokens'] as const;
  const block = useChange('blockApp', { refreshes, done: `${called} is kept out` });
  const unblock = useChange('unblockApp', { refreshes, done: `${called} may be let in again` });
  if (!isAllowed(session, 'admin:apps:write', organization)) return null;
  if (blocked)
    return (
      <Button size="xs" variant="default" onClick={() => unblock.mutate({ organization, client })}>
        Let in again
      </Button>
    );
  const ask = () =>
    openDialog(
      `Keep ${called} out?`,
      <BlockForm
        people={people}
        onBlock={(reason) => block.mutate({ organization, client, ...(reason !== '' && { reason }) })}
      />,
    );
  return (
    <Button size="xs" variant="subtle" color="red" onClick={ask} aria-label={`Keep ${called} out`}>
      Keep out
    </Button>
  );
}

interface BlockFormProps {
  readonly people: number;
  readonly onBlock: (reason: string) => void;
}

function BlockForm({ people, onBlock }: BlockFormProps) {
  const [reason, setReason] = useState('');
  const submit = (event: { preventDefault(): void }) => {
    event.preventDefault();
    closeDialog();
    onBlock(reason.trim());
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <Text size="sm">
          Its tokens are refused here within a second
          {people > 0 && `, and ${people === 1 ? 'one person uses it' : `${people} people use it`}`}.
        </Text>
        <TextInput
          label="Why"
          description="Optional: for whoever looks at this later."
          data-autofocus
          maxLength={200}
          value={reason}
          onChange={({ currentTarget }) => setReason(currentTarget.value)}
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={closeDialog}>
            Cancel
          </Button>
          <Button color="red" type="submit">
            Keep it out
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
