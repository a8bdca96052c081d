/** The pages that somebody may see, in groups. */
import { NavLink, Text } from '@mantine/core';
import { Link, useLocation } from 'wouter';
import { isAllowed, type Session, useSession } from '#portal/api/session.tsx';
import { myPages, organizationPages, type PortalPage, platformPages } from '#portal/pages.ts';
import { useOptionalOrganization } from './organization.ts';
import { here } from './place.ts';

export interface Shown extends PortalPage {
  /** Below the place's own. */
  readonly to: string;
}

/** What this person may look at. `org`: the organization that is looked at. */
export function shownPages(session: Session, org: string | undefined): readonly Shown[] {
  const may = (page: PortalPage, slug?: string) =>
    page.permissions.length === 0 || page.permissions.some((permission) => isAllowed(session, permission, slug));
  const slug = org ?? session.organizations[0]?.slug;
  if (here.place === 'me') {
    return slug === undefined ? [] : myPages.map((page) => ({ ...page, to: `/o/${slug}/${page.path}` }));
  }
  const own =
    slug === undefined
      ? []
      : organizationPages.filter((page) => may(page, slug)).map((page) => ({ ...page, to: `/o/${slug}/${page.path}` }));
  const platform = platformPages
    .filter((page) => session.isPlatform && may(page))
    .map((page) => ({ ...page, to: `/${page.path}` }));
  return [...own, ...platform];
}

export function Navigation() {
  const session = useSession();
  const [pathname] = useLocation();
  const pages = shownPages(session, useOptionalOrganization()).filter(({ isHidden }) => !isHidden);
  const groups = [...new Set(pages.map(({ group }) => group))];
  return (
    <div className="pages">
      {groups.map((group) => (
        <div key={group}>
          {group !== '' && (
            <Text size="xs" fw={600} c="dimmed" px="sm" pt="md" pb={4}>
              {group}
            </Text>
          )}
          {pages
            .filter((page) => page.group === group)
            .map(({ to, title, icon: Icon, load }) => (
              <NavLink
                key={to}
                component={Link}
                href={to}
                onMouseEnter={() => void load()}
                label={title}
                leftSection={<Icon size={17} aria-hidden />}
                active={pathname === to || pathname.startsWith(`${to}/`)}
                aria-current={pathname === to ? 'page' : undefined}
                py={6}
              />
            ))}
        </div>
      ))}
    </div>
  );
}
