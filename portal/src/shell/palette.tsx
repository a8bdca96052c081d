/** Every page by its name: Ctrl+K. */
import '#portal/styles-later.ts';
import '@mantine/spotlight/styles.css';
import { Spotlight, spotlight } from '@mantine/spotlight';
import { useEffect } from 'react';
import { useLocation } from 'wouter';
import { useSession } from '#portal/api/session.tsx';
import { shownPages } from './navigation.tsx';
import { useOptionalOrganization } from './organization.ts';

/** `asked`: how often it was asked for; it opens each time. */
export function Palette({ asked }: { readonly asked: number }) {
  const session = useSession();
  const [, navigate] = useLocation();
  const pages = shownPages(session, useOptionalOrganization()).filter(({ isHidden }) => !isHidden);
  const actions = pages.map(({ to, title, group, icon: Icon }) => ({
    id: to,
    label: title,
    description: group,
    leftSection: <Icon size={18} aria-hidden />,
    onClick: () => navigate(to),
  }));
  useEffect(() => {
    if (asked > 0) spotlight.open();
  }, [asked]);
  return (
    <Spotlight
      actions={actions}
      shortcut={null}
      nothingFound="There is no such page"
      searchProps={{ placeholder: 'Where to?', 'aria-label': 'Page' }}
      limit={12}
    />
  );
}
