/** What members let applications have, by person and by application, and taking it back. */
import { Button, Group, Pill, Text } from '@mantine/core';
import { type Item, useChange, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { PickMember } from '#portal/pages/policies/pick-member.tsx';
import { confirm } from '#portal/parts/confirm.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';

type Token = Item<'listTokens'>;

const columns: readonly Column<Token>[] = [
  { title: 'Person', cell: ({ name, email, user }) => name ?? email ?? user },
  { title: 'Application', cell: ({ clientName, client }) => clientName ?? client },
  { title: 'May', cell: ({ scopes }) => <Text size="sm">{scopes.join(', ')}</Text> },
  { title: 'Since', cell: ({ since }) => <Time at={since} /> },
  { title: 'Last used', cell: ({ lastUsedAt }) => <Time at={lastUsedAt} /> },
  { title: 'Ends', cell: ({ expiresAt }) => <Time at={expiresAt} /> },
  { title: '', cell: (token) => <Revoke token={token} /> },
];

export function Page() {
  const organization = useOrganization();
  const session = useSession();
  const [user, setUser] = useUrlState('user');
  const [client, setClient] = useUrlState('client');
  const filter = { ...(user !== '' && { user }), ...(client !== '' && { client }) };
  const list = useList('listTokens', { organization, ...filter });
  return (
    <PageFrame
      title="Tokens"
      about="What members let applications have. Taken back, an application is refused within a second."
      actions={isAllowed(session, 'admin:tokens:write', organization) && <RevokeMany filter={filter} />}
    >
      <ResourceTable
        label="Tokens"
        list={list}
        columns={columns}
        rowKey={({ id }) => id}
        filters={
          <>
            <PickMember
              organization={organization}
              label="Person"
              value={user === '' ? null : user}
              onChange={(value) => setUser(value ?? '')}
              clearable
            />
            {client !== '' && (
              <Group gap={4} pb={6}>
                <Text size="sm">Application:</Text>
                <Pill
                  withRemoveButton
                  onRemove={() => setClient('')}
                  removeButtonProps={{ 'aria-label': 'Of every application', 'aria-hidden': false, tabIndex: 0 }}
                >
                  {client}
                </Pill>
              </Group>
            )}
          </>
        }
        empty={
          <Empty title="No token">
            Members get one when they sign in with a client. {user + client !== '' && 'Nothing matches what is chosen.'}
          </Empty>
        }
      />
    </PageFrame>
  );
}

function Revoke({ token }: { readonly token: Token }) {
  const organization = useOrganization();
  const session = useSession();
  const revoke = useChange('revokeTokens', { refreshes: ['listTokens', 'listApps'], done: 'Taken back' });
  if (!isAllowed(session, 'admin:tokens:write', organization)) return null;
  const { id, name, email, user, clientName, client } = token;
  const what = `${clientName ?? client} of ${name ?? email ?? user}`;
  const ask = () =>
    confirm({
      title: 'Take it back?',
      text: `${what} is refused from now on. The person may let it in again.`,
      verb: 'Take it back',
      onConfirm: () => revoke.mutate({ organization, id }),
    });
  return (
    <Button size="xs" variant="subtle" color="red" onClick={ask} aria-label={`Take back ${what}`}>
      Take back
    </Button>
  );
}

interface Filter {
  readonly user?: string;
  readonly client?: string;
}

/** What is shown: of a person, of an application, or of everybody, whose name is typed first. */
function RevokeMany({ filter }: { readonly filter: Filter }) {
  const organization = useOrganization();
  const revoke = useChange('revokeTokens', {
    refreshes: ['listTokens', 'listApps'],
    done: ({ revoked }) => (revoked === 1 ? 'One was taken back' : `${revoked} were taken back`),
  });
  const isAll = filter.user === undefined && filter.client === undefined;
  const isBoth = filter.user !== undefined && filter.client !== undefined;
  if (isBoth) return null;
  const ask = () =>
    confirm({
      title: isAll ? 'Take back everything?' : 'Take back all that is shown?',
      text: isAll
        ? 'Every application of every member is refused from now on; everybody signs in anew.'
        : 'Each is refused from now on. People may let the application in again.',
      verb: 'Take back',
      ...(isAll && { name: organization }),
      onConfirm: () => revoke.mutate({ organization, ...(isAll ? { all: true } : filter) }),
    });
  return (
    <Button variant="default" c="red" onClick={ask} loading={revoke.isPending}>
      {isAll ? 'Take back all' : 'Take back these'}
    </Button>
  );
}
