/** What an organization publishes: addresses with tools of one server or several. */
import { Button, Code, Text } from '@mantine/core';
import { useLocation } from 'wouter';
import { type Item, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { useListQuery } from '#portal/parts/list-query.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { NewCollection } from './new-collection.tsx';

type Collection = Item<'listCollections'>;

const columnsOf = (organization: string): readonly Column<Collection>[] => [
  { title: 'Collection', sort: 'name', cell: ({ name }) => name },
  { title: 'Address', cell: ({ name }) => <Code>{`/${organization}/mcp/${name}`}</Code> },
  { title: 'Servers', cell: ({ bindings }) => bindings.map(({ server }) => server).join(', ') },
  {
    title: 'Who',
    cell: ({ allowedRoles }) =>
      allowedRoles === '*' ? (
        'every member'
      ) : allowedRoles.length === 0 ? (
        <Text c="dimmed">by grant</Text>
      ) : (
        allowedRoles.join(', ')
      ),
  },
  { title: 'List', cell: ({ mode }) => modes[mode] },
];

const modes = { full: 'all tools', meta: 'search tools', auto: 'search when long' } as const;

export function Page() {
  const organization = useOrganization();
  const session = useSession();
  const [, navigate] = useLocation();
  const [isNew, setNew] = useUrlState('new');
  const list = useList('listCollections', { organization, ...useListQuery(['name']) });
  const add = isAllowed(session, 'admin:collections:write', organization) && (
    <Button onClick={() => setNew('1')}>New collection</Button>
  );
  return (
    <PageFrame
      title="Collections"
      about="One address for what belongs together: chosen tools of one server or several, under names of your own."
      actions={add}
    >
      <ResourceTable
        label="Collections"
        list={list}
        columns={columnsOf(organization)}
        rowKey={({ id }) => id}
        onOpen={({ name }) => navigate(`/o/${organization}/collections/${name}`)}
        searchLabel="Search collections"
        empty={
          <Empty title="No collection yet" action={add}>
            Servers can be used without one. Make a collection to publish only some tools, to rename them, to fix
            arguments, or to put several servers behind one address.
          </Empty>
        }
      />
      <NewCollection opened={isNew !== ''} onClose={() => setNew('')} />
    </PageFrame>
  );
}
