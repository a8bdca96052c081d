/** Which organization is looked at; with many, typing finds one. */
import { Select } from '@mantine/core';
import { useLocation } from 'wouter';
import { useSession } from '#portal/api/session.tsx';
import { useOptionalOrganization } from './organization.ts';
import { here } from './place.ts';

export function OrganizationPicker() {
  const { organizations } = useSession();
  const org = useOptionalOrganization();
  const [pathname, navigate] = useLocation();
  if (organizations.length === 0) return null;
  // The same page of the other organization, and the beginning of what only one has.
  const page = /\/o\/[^/]+\/([^/]+)/.exec(pathname)?.[1] ?? here.first;
  return (
    <Select
      aria-label="Organization"
      data={organizations.map(({ slug, name }) => ({ value: slug, label: name }))}
      value={org ?? null}
      placeholder="Organization"
      onChange={(slug) => slug !== null && navigate(`/o/${slug}/${page}`)}
      searchable={organizations.length > 8}
      limit={200}
      allowDeselect={false}
      size="xs"
      w={{ base: 150, sm: 220 }}
    />
  );
}
