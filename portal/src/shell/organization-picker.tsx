/** Which organization is looked at; with many, typing finds one. */
import { NativeSelect } from '@mantine/core';
import { lazy, Suspense } from 'react';
import { useLocation } from 'wouter';
import { useSession } from '#portal/api/session.tsx';
import { useOptionalOrganization } from './organization.ts';
import { here } from './place.ts';

/** More than one looks through. */
const many = 25;
const Search = lazy(async () => ({ default: (await import('./organization-search.tsx')).OrganizationSearch }));

export function OrganizationPicker() {
  const { organizations } = useSession();
  const value = useOptionalOrganization() ?? null;
  const [pathname, navigate] = useLocation();
  if (organizations.length === 0) return null;
  // The same page of the other organization, and the beginning of what only one has.
  const page = /\/o\/[^/]+\/([^/]+)/.exec(pathname)?.[1] ?? here.first;
  const open = (slug: string) => navigate(`/o/${slug}/${page}`);
  const data = organizations.map(({ slug, name }) => ({ value: slug, label: name }));
  if (organizations.length > many)
    return (
      <Suspense>
        <Search data={data} value={value} onChange={open} />
      </Suspense>
    );
  return (
    <NativeSelect
      aria-label="Organization"
      data={value === null ? [{ value: '', label: 'Organization' }, ...data] : data}
      value={value ?? ''}
      onChange={({ currentTarget }) => currentTarget.value !== '' && open(currentTarget.value)}
      size="xs"
      w={{ base: 150, sm: 220 }}
    />
  );
}
