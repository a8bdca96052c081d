/** Where the portal begins: an organization, or what is to be set up first. */
import { Stack, Text, Title } from '@mantine/core';
import { lazy, Suspense } from 'react';
import { Redirect, useSearchParams } from 'wouter';
import { useSession } from '#portal/api/session.tsx';
import { NothingHere } from '#portal/parts/states.tsx';
import { shownPages } from './navigation.tsx';
import { lastOrganization } from './organization.ts';
import { PageLoading } from './page-loading.tsx';
import { here } from './place.ts';

/** Seen once in the life of a gateway. */
const Setup = lazy(async () => ({ default: (await import('#portal/pages/setup/setup-page.tsx')).Page }));

export function Home() {
  const { organizations, isPlatform } = useSession();
  const [search] = useSearchParams();
  const isUnderWay = search.has('organization');
  const isNew = organizations.every(({ slug }) => slug === 'demo');
  if (here.place === 'admin' && isPlatform && (isNew || isUnderWay))
    return (
      <Suspense fallback={<PageLoading />}>
        <Setup />
      </Suspense>
    );
  const slug = lastOrganization(organizations.map((organization) => organization.slug));
  if (slug !== undefined) return <FirstPage org={slug} />;
  return (
    <Stack maw={560}>
      <Title order={1}>Welcome to Gatehouse</Title>
      <Text>You are signed in, and in no organization yet. Ask an administrator to add you.</Text>
    </Stack>
  );
}

/** Of an organization: the first that one may see. */
export function FirstPage({ org }: { readonly org: string }) {
  const first = shownPages(useSession(), org).find(({ isHidden }) => !isHidden);
  return first ? <Redirect to={first.to} replace /> : <NothingHere />;
}
