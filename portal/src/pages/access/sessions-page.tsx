/** Browsers that are signed in, and streams and calls that are open now. */
import { Badge, Button } from '@mantine/core';
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

type Session = Item<'listSessions'>;

const kinds = {
  'sign-in': { text: 'Signed in', color: 'gray' },
  stream: { text: 'Open stream', color: 'blue' },
  call: { text: 'Call now', color: 'green' },
} as const;

const columns: readonly Column<Session>[] = [
  { title: 'Who', cell: ({ name, email, user }) => name ?? email ?? user ?? 'an API key' },
  {
    title: 'What',
    cell: ({ kind }) => (
      <Badge color={kinds[kind].color} variant="light">
        {kinds[kind].text}
      </Badge>
    ),
  },
  { title: 'Where', cell: ({ endpoint, kind }) => endpoint ?? (kind === 'sign-in' ? 'browser' : '–') },
  { title: 'Client', cell: ({ client }) => client ?? '–' },
  { title: 'Since', cell: ({ since }) => <Time at={since} /> },
  { title: 'Ends', cell: ({ expiresAt, kind }) => (kind === 'sign-in' ? <Time at={expiresAt} /> : 'when it is done') },
  { title: '', cell: (session) => <End session={session} /> },
];

export function Page() {
  const organization = useOrganization();
  const session = useSession();
  const [user, setUser] = useUrlState('user');
  const isOne = user !== '';
  const list = useList('listSessions', { organization, ...(isOne && { user }) }, { everyMs: 10_000 });
  const mayEnd = isAllowed(session, 'admin:sessions:write', organization);
  return (
    <PageFrame
      title="Sessions"
      about="Who is signed in at this gateway, and what is open right now. What ended is refused, also what is under way."
      actions={isOne && mayEnd && <EndAll user={user} />}
    >
      <ResourceTable
        label="Sessions"
        list={list}
        columns={columns}
        rowKey={({ id }) => id}
        filters={
          <PickMember
            organization={organization}
            label="Person"
            value={isOne ? user : null}
            onChange={(value) => setUser(value ?? '')}
            clearable
          />
        }
        empty={<Empty title="Nobody is here">Nobody is signed in and nothing is open.</Empty>}
      />
    </PageFrame>
  );
}

const useEnd = () =>
  useChange('endSession', {
    refreshes: ['listSessions', 'listTokens'],
    done: ({ ended }) => (ended === 1 ? 'One ended' : `${ended} ended`),
  });

function End({ session }: { readonly session: Session }) {
  const organization = useOrganization();
  const mine = useSession();
  const end = useEnd();
  if (!isAllowed(mine, 'admin:sessions:write', organization)) return null;
  const who = session.name ?? session.email ?? session.user ?? 'an API key';
  const ask = () =>
    confirm({
      title: `End this of ${who}?`,
      text: 'They may sign in or call again unless something else keeps them out.',
      verb: 'End it',
      onConfirm: () => end.mutate({ organization, id: session.id }),
    });
  return (
    <Button
      size="xs"
      variant="subtle"
      color="red"
      onClick={ask}
      aria-label={`End: ${kinds[session.kind].text}, ${who}`}
    >
      End
    </Button>
  );
}

function EndAll({ user }: { readonly user: string }) {
  const organization = useOrganization();
  const end = useEnd();
  const ask = () =>
    confirm({
      title: 'End everything of this person?',
      text: 'Their browsers are signed out and their open calls end. Tokens of applications are on the page “Tokens”.',
      verb: 'End all',
      onConfirm: () => end.mutate({ organization, user }),
    });
  return (
    <Button variant="default" c="red" onClick={ask} loading={end.isPending}>
      End all of this person
    </Button>
  );
}
