/** Sets of Cedar policies of an organization. */
import { Badge, Button, Text } from '@mantine/core';
import { Link, useLocation } from 'wouter';
import { type Item, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { useListQuery } from '#portal/parts/list-query.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

type Policy = Item<'listPolicies'>;

export const placeOf = ({ server, collection }: Pick<Policy, 'server' | 'collection'>): string =>
  server !== null ? `server ${server}` : collection !== null ? `collection ${collection}` : 'the whole organization';

const columns: readonly Column<Policy>[] = [
  { title: 'Name', cell: ({ name }) => name, sort: 'name' },
  { title: 'Holds for', cell: placeOf },
  { title: 'Mode', cell: ({ mode }) => <Mode mode={mode} /> },
  {
    title: 'Where it fails',
    cell: ({ onError }) => (onError === 'deny' ? 'refuses' : 'goes on without that policy'),
  },
  { title: 'Version', cell: ({ version }) => version, isNumeric: true },
  { title: 'Changed', cell: ({ updatedAt }) => <Time at={updatedAt} />, sort: 'updatedAt' },
  { title: 'From', cell: ({ managedBy }) => (managedBy === 'file' ? 'gatehouse.yaml' : 'here') },
];

export const Mode = ({ mode }: Pick<Policy, 'mode'>) =>
  mode === 'enforce' ? (
    <Badge color="green" variant="light">
      Enforced
    </Badge>
  ) : (
    <Badge color="yellow" variant="light">
      Only logged
    </Badge>
  );

export function Page() {
  const organization = useOrganization();
  const session = useSession();
  const [, navigate] = useLocation();
  const query = useListQuery(['name', 'updatedAt']);
  const list = useList('listPolicies', { organization, ...query });
  const mayWrite = isAllowed(session, 'admin:policies:write', organization);
  const add = mayWrite && (
    <Button component={Link} href={`/o/${organization}/new-policy`}>
      New policies
    </Button>
  );
  return (
    <PageFrame
      title="Policies"
      about="Grants say who may enter; policies say who may use which tool there, and with which arguments. Every set that holds must permit."
      actions={add}
    >
      <ResourceTable
        label="Policies"
        searchLabel="Search policies"
        list={list}
        columns={columns}
        rowKey={({ id }) => id}
        onOpen={({ name }) => navigate(`/o/${organization}/policies/${encodeURIComponent(name)}`)}
        empty={
          <Empty title="No policies yet" action={add}>
            Without any, grants alone decide. Write a set in Cedar, begin with “only logged” to see what it would
            refuse, and try it on the test bench before it counts.
          </Empty>
        }
      />
      <Text size="sm" c="dimmed">
        See what they do together under “Who can do what”, and why a call was refused on the “Test bench”.
      </Text>
    </PageFrame>
  );
}
