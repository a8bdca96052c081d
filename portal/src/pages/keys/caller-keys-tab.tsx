/** API keys that programs present to this gateway. */
import { Badge, Button, Code, Group, Text } from '@mantine/core';
import { Plus } from 'lucide-react';
import { Link } from 'wouter';
import { type Item, useChange, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { confirm } from '#portal/parts/confirm.tsx';
import { useListQuery } from '#portal/parts/list-query.ts';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { StateFilter } from '#portal/parts/state-filter.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { NewKey } from './new-key.tsx';

type Key = Item<'listKeys'>;

const states = [
  { value: 'active', label: 'Active' },
  { value: 'expired', label: 'Expired' },
  { value: 'revoked', label: 'Revoked' },
] as const;

export function CallerKeysTab() {
  const session = useSession();
  const organization = useOrganization();
  const [isNew, setNew] = useUrlState('new');
  const [state, setState] = useUrlState('state');
  const wanted = states.find(({ value }) => value === state)?.value;
  const list = useList('listKeys', {
    ...useListQuery(['name', 'createdAt', 'expiresAt']),
    organization,
    ...(wanted !== undefined && { state: wanted }),
  });
  const revoke = useChange('revokeKey', { refreshes: ['listKeys'], done: ({ name }) => `${name} was revoked` });
  const canWrite = isAllowed(session, 'admin:keys:write', organization);
  const askRevoke = ({ id, name, last4 }: Key) =>
    confirm({
      title: `Revoke ${name} (…${last4})?`,
      text: 'Whatever runs with it stops working within a second. It can’t be taken back.',
      verb: 'Revoke',
      onConfirm: () => revoke.mutate({ organization, id }),
    });
  const add = canWrite && (
    <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setNew('1')}>
      New API key
    </Button>
  );
  return (
    <>
      <ResourceTable
        label="Keys for callers"
        list={list}
        columns={columnsFor({ organization, canWrite, askRevoke })}
        rowKey={({ id }) => id}
        searchLabel="Search by name or last four"
        filters={
          <Group gap="sm" justify="space-between" style={{ flex: 1 }}>
            <StateFilter states={states} value={wanted} onChange={setState} />
            {add}
          </Group>
        }
        empty={
          <Empty title="No API key yet" action={add}>
            People sign in; programs that can’t present a key. Give each its own, for the endpoints that it needs, with
            an end.
          </Empty>
        }
      />
      <NewKey opened={isNew !== ''} onClose={() => setNew('')} />
    </>
  );
}

function KeyState({ item: { revokedAt, expiresAt } }: { readonly item: Key }) {
  if (revokedAt !== null)
    return (
      <Badge color="gray" variant="light">
        Revoked
      </Badge>
    );
  const isOver = expiresAt !== null && new Date(expiresAt).getTime() <= Date.now();
  return (
    <Badge color={isOver ? 'yellow' : 'green'} variant="light">
      {isOver ? 'Expired' : 'Active'}
    </Badge>
  );
}

interface ColumnsOf {
  readonly organization: string;
  readonly canWrite: boolean;
  readonly askRevoke: (key: Key) => void;
}

const columnsFor = ({ organization, canWrite, askRevoke }: ColumnsOf): readonly Column<Key>[] => [
  {
    title: 'Name',
    sort: 'name',
    cell: ({ name, last4 }) => (
      <>
        {name} <Code>…{last4}</Code>
      </>
    ),
  },
  { title: 'State', cell: (key) => <KeyState item={key} /> },
  {
    title: 'Acts as',
    cell: ({ serviceAccount, roles }) => (
      <Text size="sm">
        {[serviceAccount, ...roles].filter((word) => word !== null).join(', ') || 'itself, with no role'}
      </Text>
    ),
  },
  {
    title: 'Endpoints',
    cell: ({ endpoints }) => <Text size="sm">{endpoints === null ? 'all that it may use' : endpoints.join(', ')}</Text>,
  },
  {
    title: 'Ends',
    sort: 'expiresAt',
    cell: ({ expiresAt }) => (expiresAt === null ? <Text size="sm">when revoked</Text> : <Time at={expiresAt} />),
  },
  { title: 'Made', sort: 'createdAt', cell: ({ createdAt }) => <Time at={createdAt} /> },
  {
    title: 'Actions',
    cell: (key) => (
      <Group gap={4} wrap="nowrap">
        <Button
          component={Link}
          href={`/o/${organization}/audit?person=${key.id}`}
          size="compact-sm"
          variant="subtle"
          aria-label={`Audit log of ${key.name}`}
        >
          Log
        </Button>
        {canWrite && key.revokedAt === null && (
          <Button
            size="compact-sm"
            variant="subtle"
            color="red"
            aria-label={`Revoke ${key.name}`}
            onClick={() => askRevoke(key)}
          >
            Revoke
          </Button>
        )}
      </Group>
    ),
  },
];
