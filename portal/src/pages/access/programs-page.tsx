/** OAuth clients of programs: they get tokens of their own, without a person. */
import { Button, Code, Text } from '@mantine/core';
import { useState } from 'react';
import { type Item, useChange, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { confirm } from '#portal/parts/confirm.tsx';
import { CopyIcon } from '#portal/parts/copy.tsx';
import { useListQuery } from '#portal/parts/list-query.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { ShownOnce } from '#portal/parts/shown-once.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { NewProgram } from './new-program.tsx';

type Program = Item<'listClients'>;

const columns: readonly Column<Program>[] = [
  { title: 'Name', cell: ({ name }) => name, sort: 'name' },
  {
    title: 'Client id',
    cell: ({ id }) => (
      <span className="cell">
        <Code>{id}</Code> <CopyIcon text={id} label="client id" />
      </span>
    ),
  },
  { title: 'May ask for', cell: ({ grants }) => grants.join(', ') || 'nothing by itself' },
  { title: 'Scopes', cell: ({ scopes }) => scopes.join(', ') },
  { title: 'Roles', cell: ({ roles }) => roles.join(', ') || <Text c="dimmed">none</Text> },
  { title: 'Proves itself by', cell: ({ authentication }) => (authentication === 'keys' ? 'its keys' : 'a secret') },
  { title: 'Made', cell: ({ createdAt }) => <Time at={createdAt} />, sort: 'createdAt' },
  { title: '', cell: (program) => <Remove program={program} /> },
];

export function Page() {
  const organization = useOrganization();
  const session = useSession();
  const [isNew, setNew] = useUrlState('new');
  const [secret, setSecret] = useState<string>();
  const list = useList('listClients', { organization, ...useListQuery(['name', 'createdAt']) });
  const add = isAllowed(session, 'admin:clients:write', organization) && (
    <Button onClick={() => setNew('1')}>New program</Button>
  );
  return (
    <PageFrame
      title="Programs"
      about="OAuth clients of your own programs: they ask the token endpoint with an id and a secret, and act as themselves."
      actions={add}
    >
      <ResourceTable
        label="Programs"
        searchLabel="Search programs"
        list={list}
        columns={columns}
        rowKey={({ id }) => id}
        empty={
          <Empty title="No program yet" action={add}>
            Register one for a backend that speaks OAuth by itself. For a script, an API key is simpler. Clients of
            people, such as Claude Code, register themselves.
          </Empty>
        }
      />
      <NewProgram opened={isNew !== ''} onClose={() => setNew('')} onMade={setSecret} />
      <ShownOnce secret={secret} what="client secret" onClose={() => setSecret(undefined)} />
    </PageFrame>
  );
}

function Remove({ program: { id, name } }: { readonly program: Program }) {
  const organization = useOrganization();
  const session = useSession();
  const remove = useChange('removeClient', { refreshes: ['listClients'], done: `${name} is removed` });
  if (!isAllowed(session, 'admin:clients:write', organization)) return null;
  const ask = () =>
    confirm({
      ...{ title: `Remove ${name}?`, name, verb: 'Remove' },
      text: 'Its tokens end with it, and its secret is good for nothing any more.',
      onConfirm: () => remove.mutate({ organization, id }),
    });
  return (
    <Button size="xs" variant="subtle" color="red" onClick={ask} aria-label={`Remove ${name}`}>
      Remove
    </Button>
  );
}
