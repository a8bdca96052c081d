/** What one person may use, worked out now, with what gives it and what stands in the way. */
import { Alert, Anchor, Badge, Button, Card, Group, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { Link, useParams } from 'wouter';
import { type Item, useList, useRoute } from '#portal/api/hooks.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { Empty, ErrorPanel } from '#portal/parts/states.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

type Access = Item<'showAccess'>;
type By = Access['by'][number];

export function Page() {
  const organization = useOrganization();
  const { user = '' } = useParams<{ user: string }>();
  const member = useRoute('getMember', { organization, user });
  const head = useRoute('showAccess', { organization, user });
  const list = useList('showAccess', { organization, user });
  const name = member.data?.email ?? member.data?.name ?? 'A member';
  return (
    <PageFrame
      title={name}
      about="What this person may use right now, and by what: worked out by what decides about calls."
      actions={
        <>
          <Button
            component={Link}
            variant="default"
            href={`/o/${organization}/people?search=${encodeURIComponent(name)}`}
          >
            Groups and roles
          </Button>
          <Button
            component={Link}
            variant="default"
            href={`/o/${organization}/audit?person=${encodeURIComponent(member.data?.email ?? user)}`}
          >
            Audit log
          </Button>
        </>
      }
    >
      {member.data && !member.data.active && (
        <Alert color="yellow">They are deactivated: until they are let in again, they may use nothing.</Alert>
      )}
      {head.data && <Standing {...head.data} />}
      {list.error && <ErrorPanel error={list.error} retry={list.reload} />}
      {list.isLoading && <Skeleton h={200} />}
      {!list.isLoading && !list.error && list.items.length === 0 && (
        <Empty title="There is nothing to use here yet">
          Enable servers or publish a collection, then give it to one of their groups.
        </Empty>
      )}
      {list.items.map((access) => (
        <OfEndpoint key={`${access.kind} ${access.endpoint}`} access={access} />
      ))}
      {list.hasMore && (
        <Button variant="default" onClick={list.loadMore} loading={list.isLoadingMore} w="fit-content">
          Show more
        </Button>
      )}
    </PageFrame>
  );
}

interface StandingProps {
  readonly groups: readonly string[];
  readonly roles: readonly string[];
  readonly isAdministrator: boolean;
}

const Standing = ({ groups, roles, isAdministrator }: StandingProps) => (
  <Stack gap={4}>
    <Text size="sm">Groups: {groups.length === 0 ? 'none' : groups.join(', ')}</Text>
    <Text size="sm">Roles: {roles.length === 0 ? 'none' : roles.join(', ')}</Text>
    {isAdministrator && <Text size="sm">They administer this organization.</Text>}
  </Stack>
);

const shownTools = 12;

function OfEndpoint({ access }: { readonly access: Access }) {
  const organization = useOrganization();
  const [isAll, setAll] = useState(false);
  const { endpoint, kind, admitted, by, servers, tools } = access;
  const allowed = tools.filter(({ answer }) => answer === 'allow').length;
  const shown = isAll ? tools : tools.slice(0, shownTools);
  return (
    <Card withBorder>
      <Group justify="space-between" align="flex-start">
        <div>
          <Title order={2} size="h5">
            {endpoint}{' '}
            <Text span size="xs" c="dimmed">
              {kind}
              {kind === 'collection' && ` of ${servers.join(', ')}`}
            </Text>
          </Title>
          <Text size="sm">{by.length === 0 ? 'Nothing gives it.' : `By ${by.map(reasonOf).join('; ')}.`}</Text>
        </div>
        <Badge color={admitted ? 'green' : 'gray'} variant="light">
          {admitted ? 'May use it' : 'May not use it'}
        </Badge>
      </Group>
      {tools.length > 0 && (
        <Stack gap={4} mt="sm">
          <Text size="sm" fw={500}>
            {allowed} of {tools.length} known tools
          </Text>
          <Group gap={6}>
            {shown.map(({ name, answer, policies }) => (
              <Badge key={name} tt="none" variant="light" color={answer === 'allow' ? 'green' : 'gray'}>
                {name}
                {answer !== 'allow' && `: ${whyNot[answer]}`}
                {policies.length > 0 && ` (${policies.join(', ')})`}
              </Badge>
            ))}
            {tools.length > shown.length && (
              <Button size="compact-xs" variant="subtle" onClick={() => setAll(true)}>
                And {tools.length - shown.length} more
              </Button>
            )}
          </Group>
        </Stack>
      )}
      {kind === 'server' && (
        <Anchor component={Link} size="sm" mt="xs" href={`/o/${organization}/audit?server=${endpoint}`}>
          Audit log of {endpoint}
        </Anchor>
      )}
    </Card>
  );
}

const whyNot = { grant: 'not granted', blocked: 'switched off', policy: 'a policy forbids it', off: 'not enabled' };

function reasonOf({ kind, name, tools }: By): string {
  const some = tools === null ? '' : ` (${tools.length === 1 ? tools[0] : `${tools.length} tools`})`;
  const words = {
    everybody: 'being a member',
    role: `the role ${name ?? ''}`,
    group: `the group ${name ?? ''}`,
    grant: 'a grant of their own',
    administrator: 'being an administrator',
  };
  return `${words[kind]}${some}`;
}
