/** Local accounts of the gateway: people who sign in with a password that is kept here. */
import { Badge, Button, Group } from '@mantine/core';
import { useState } from 'react';
import { type Item, useChange, useList } from '#portal/api/hooks.ts';
import { confirm } from '#portal/parts/confirm.tsx';
import { useListQuery } from '#portal/parts/list-query.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { ShownOnce } from '#portal/parts/shown-once.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { NewAccount } from './new-account.tsx';

type Account = Item<'listAccounts'>;
type Keep = (password: string | null) => void;

const columnsOf = (onPassword: Keep): readonly Column<Account>[] => [
  { title: 'Signs in as', cell: ({ username }) => username, sort: 'username' },
  { title: 'Name', cell: ({ name }) => name ?? '–', sort: 'name' },
  { title: 'E-mail', cell: ({ email }) => email ?? '–' },
  {
    title: 'State',
    cell: ({ active }) => (
      <Badge color={active ? 'green' : 'gray'} variant="light">
        {active ? 'Active' : 'Deactivated'}
      </Badge>
    ),
  },
  { title: 'Made', cell: ({ createdAt }) => <Time at={createdAt} />, sort: 'createdAt' },
  { title: 'Last signed in', cell: ({ lastSignInAt }) => <Time at={lastSignInAt} /> },
  { title: '', cell: (account) => <Orders account={account} onPassword={onPassword} /> },
];

export function Page() {
  const [isNew, setNew] = useUrlState('new');
  const [secret, setSecret] = useState<string>();
  const onPassword: Keep = (password) => setSecret(password ?? undefined);
  const list = useList('listAccounts', useListQuery(['username', 'name', 'createdAt']));
  const add = <Button onClick={() => setNew('1')}>New account</Button>;
  return (
    <PageFrame
      title="Local accounts"
      about="For people without an identity provider, and for the day when it is down. Others sign in with the accounts that they have."
      actions={add}
    >
      <ResourceTable
        label="Local accounts"
        searchLabel="Search accounts"
        list={list}
        columns={columnsOf(onPassword)}
        rowKey={({ id }) => id}
        empty={
          <Empty title="No local account" action={add}>
            Make one to sign in with a password. It counts where local sign-in is configured.
          </Empty>
        }
      />
      <NewAccount opened={isNew !== ''} onClose={() => setNew('')} onMade={onPassword} />
      <ShownOnce secret={secret} what="password" onClose={() => setSecret(undefined)} />
    </PageFrame>
  );
}

function Orders({ account, onPassword }: { readonly account: Account; readonly onPassword: Keep }) {
  const { username, active } = account;
  const refreshes = ['listAccounts'] as const;
  const deactivate = useChange('deactivateAccount', { refreshes, done: `${username} can't sign in any more` });
  const renew = useChange('setAccountPassword', { refreshes });
  const askToEnd = () =>
    confirm({
      title: `Deactivate ${username}?`,
      text: 'Every session and token ends at once. A new password lets the person sign in again.',
      verb: 'Deactivate',
      onConfirm: () => deactivate.mutate({ username }),
    });
  const askToRenew = () =>
    confirm({
      title: `New password for ${username}?`,
      text: 'The old one ends, with every session and token. The new one is shown to you once.',
      verb: 'Make it',
      onConfirm: () => renew.mutate({ username }, { onSuccess: ({ password }) => onPassword(password) }),
    });
  return (
    <Group gap={4} wrap="nowrap">
      <Button size="xs" variant="subtle" onClick={askToRenew} aria-label={`New password for ${username}`}>
        New password
      </Button>
      {active && (
        <Button size="xs" variant="subtle" color="red" onClick={askToEnd} aria-label={`Deactivate ${username}`}>
          Deactivate
        </Button>
      )}
    </Group>
  );
}
