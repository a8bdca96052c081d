/** Where the portal begins: an organization, or what is to be set up first. */
import { Button, Stack, Text, Title } from '@mantine/core';
import { Link, Redirect } from 'wouter';
import { useSession } from '#portal/api/session.tsx';
import { lastOrganization } from '#portal/shell/organization.ts';
import { here } from './place.ts';

export function Home() {
  const session = useSession();
  const slug = lastOrganization(session.organizations.map((organization) => organization.slug));
  if (slug !== undefined) return <Redirect to={`/o/${slug}/${here.place === 'me' ? 'tools' : 'overview'}`} replace />;
  return (
    <Stack maw={560}>
      <Title order={1}>Welcome to Gatehouse</Title>
      <Text>
        {session.isPlatform
          ? 'There is no organization yet. Make the first one: servers, people and tools belong to it.'
          : 'You are signed in, and in no organization yet. Ask an administrator to add you.'}
      </Text>
      {session.isPlatform && (
        <Button component={Link} href="/organizations?new=1" w="fit-content">
          Make an organization
        </Button>
      )}
    </Stack>
  );
}
