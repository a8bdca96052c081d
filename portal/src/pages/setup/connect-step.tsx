/** The first client, and what comes after. */
import { Alert, Anchor, Button, Group, List, Stack, Text } from '@mantine/core';
import { Link } from 'wouter';
import { useSession } from '#portal/api/session.tsx';
import { Connect } from '#portal/clients/connect.tsx';
import { clientName } from '#portal/clients/recipe.ts';

export function ConnectStep({ organization }: { readonly organization: string }) {
  const { gateway, user } = useSession();
  const url = new URL(`/${organization}/mcp`, gateway.baseUrl).href;
  const here = (page: string) => `/o/${organization}/${page}`;
  return (
    <Stack mt="md">
      {!gateway.hasPublicUrl && (
        <Alert color="yellow" title="Only this machine reaches it">
          The address begins with {gateway.baseUrl}. For others, set BASE_URL to a public https address.
        </Alert>
      )}
      <Connect name={clientName(organization)} url={url} />
      <Text fw={600}>Next</Text>
      <List size="sm" spacing={4}>
        <List.Item>
          {user === null ? 'Make an account for yourself and others under ' : 'Invite people under '}
          <Anchor component={Link} href={user === null ? '/accounts?new=1' : here('people')}>
            {user === null ? 'Local accounts' : 'Users & Groups'}
          </Anchor>
        </List.Item>
        <List.Item>
          Say who may use what under{' '}
          <Anchor component={Link} href={here('matrix')}>
            Groups &amp; Servers
          </Anchor>
        </List.Item>
        <List.Item>
          Make a key for a program under{' '}
          <Anchor component={Link} href={here('keys')}>
            API Keys
          </Anchor>
        </List.Item>
      </List>
      <Group>
        <Button component={Link} href={here('overview')}>
          Open the organization
        </Button>
      </Group>
    </Stack>
  );
}
