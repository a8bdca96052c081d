/** Where people and groups come from by themselves: SCIM, its address, its keys, and what it made. */
import { Alert, Anchor, Badge, Button, Group, List, Stack, Text, Title } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { Link } from 'wouter';
import { useChange, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { CopyText } from '#portal/parts/copy.tsx';
import { ShownOnce } from '#portal/parts/shown-once.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

const scimRole = 'admin:scim:write';

export function DirectoryTab() {
  const session = useSession();
  const organization = useOrganization();
  const mayKeys = isAllowed(session, 'admin:keys:read', organization);
  const groups = useList('listGroups', { organization, managedBy: 'scim', limit: 1000 });
  const keys = useList('listKeys', { organization, state: 'active', limit: 1000 }, { enabled: mayKeys });
  const found = keys.items.filter(({ roles }) => roles.includes(scimRole));
  const isOn = found.length > 0 || groups.items.length > 0;
  const address = `${session.gateway.baseUrl}/scim/v2`;
  if (groups.error) return <ErrorPanel error={groups.error} retry={groups.reload} />;
  return (
    <Stack maw={760}>
      <Group gap="xs">
        <Title order={2} size="h4">
          SCIM 2.0
        </Title>
        <Badge variant="light" color={isOn ? 'green' : 'gray'}>
          {isOn ? 'Set up' : 'Not set up'}
        </Badge>
      </Group>
      <Text size="sm">
        Your directory (Entra ID, Okta, OneLogin, JumpCloud …) tells this gateway of people and groups, and who left:
        then their tokens, sessions and open streams end within a second.
      </Text>
      {!session.gateway.hasPublicUrl && (
        <Alert color="yellow">A directory in the cloud reaches this gateway only at a public address (BASE_URL).</Alert>
      )}
      <Step title="1. The address">
        <Text size="sm">Entra calls it “Tenant URL”, Okta “SCIM connector base URL”.</Text>
        <CopyText text={address} label="address" />
      </Step>
      <Step title="2. The token">
        <Text size="sm">An API key that can do this and nothing else. Entra calls it “Secret token”.</Text>
        {found.map(({ id, name, last4, createdAt }) => (
          <Group key={id} gap="xs">
            <Badge variant="light" color="green" tt="none">
              Configured
            </Badge>
            <Text size="sm">
              {name} (…{last4}), made <Time at={createdAt} />
            </Text>
          </Group>
        ))}
        <NewToken isFirst={found.length === 0} />
      </Step>
      <Step title="3. What it sends">
        <List size="sm">
          <List.Item>
            Entra: map objectId to externalId, for users and for groups. Assign people, start provisioning.
          </List.Item>
          <List.Item>Okta: unique identifier “userName”; push new users, profile updates and groups.</List.Item>
          <List.Item>
            A group that has an outer id here is filled by the directory’s group of that id, MCP-Admin too.
          </List.Item>
        </List>
      </Step>
      <Step title="What came of it">
        <Text size="sm">
          {groups.items.length === 0
            ? 'No group has come from the directory yet.'
            : `${groups.items.length}${groups.hasMore ? ' or more' : ''} groups are kept by the directory.`}
        </Text>
        <Anchor component={Link} size="sm" w="fit-content" href={`/o/${organization}/audit?kind=admin`}>
          What the directory said
        </Anchor>
      </Step>
    </Stack>
  );
}

function Step({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <Stack gap="xs">
      <Title order={3} size="h5">
        {title}
      </Title>
      {children}
    </Stack>
  );
}

function NewToken({ isFirst }: { readonly isFirst: boolean }) {
  const session = useSession();
  const organization = useOrganization();
  const [secret, setSecret] = useState<string>();
  const create = useChange('createKey', { refreshes: ['listKeys'], done: 'The token was made' });
  if (!isAllowed(session, 'admin:keys:write', organization)) return null;
  const make = () =>
    create.mutate({ organization, name: 'directory', roles: [scimRole] }, { onSuccess: ({ key }) => setSecret(key) });
  return (
    <>
      <Button w="fit-content" variant={isFirst ? 'filled' : 'default'} loading={create.isPending} onClick={make}>
        {isFirst ? 'Make the token' : 'Make another token'}
      </Button>
      <ShownOnce secret={secret} what="directory token" onClose={() => setSecret(undefined)} />
    </>
  );
}
