/** Every organization of the gateway. */
import { Button, Code, Text } from '@mantine/core';
import { useLocation } from 'wouter';
import { type Item, useList } from '#portal/api/hooks.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { NewOrganization } from './new-organization.tsx';

type Organization = Item<'listOrganizations'>;

const columns: readonly Column<Organization>[] = [
  { title: 'Name', cell: ({ name }) => name },
  { title: 'Address', cell: ({ slug }) => <Code>/{slug}/mcp</Code> },
  {
    title: 'Domain',
    cell: ({ domain }) =>
      domain ?? (
        <Text size="sm" c="dimmed">
          none
        </Text>
      ),
  },
  {
    title: 'Outer id',
    cell: ({ externalId }) =>
      externalId ?? (
        <Text size="sm" c="dimmed">
          none
        </Text>
      ),
  },
];

export function Page() {
  const [, navigate] = useLocation();
  const [isNew, setNew] = useUrlState('new');
  const list = useList('listOrganizations', {});
  const add = <Button onClick={() => setNew('1')}>New organization</Button>;
  return (
    <PageFrame
      title="Organizations"
      about="The tenants of this gateway: each has its own people, servers, credentials and policies."
      actions={add}
    >
      <ResourceTable
        label="Organizations"
        list={list}
        columns={columns}
        rowKey={({ id }) => id}
        onOpen={({ slug }) => navigate(`/o/${slug}`)}
        empty={
          <Empty title="No organization yet" action={add}>
            An organization is who uses the gateway: a company, a department, a customer. Make one for yourself first.
          </Empty>
        }
      />
      <NewOrganization opened={isNew !== ''} onClose={() => setNew('')} />
    </PageFrame>
  );
}
