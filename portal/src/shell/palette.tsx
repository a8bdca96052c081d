/** Every page by its name: Ctrl+K. */
import '@mantine/spotlight/styles.css';
import { ActionIcon, Tooltip } from '@mantine/core';
import { Spotlight, spotlight } from '@mantine/spotlight';
import { Search } from 'lucide-react';
import { useLocation } from 'wouter';
import { useSession } from '#portal/api/session.tsx';
import { shownPages } from './navigation.tsx';
import { useOptionalOrganization } from './organization.ts';

export function Palette() {
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
  return (
    <>
      <Tooltip label="Go to a page (Ctrl+K)">
        <ActionIcon variant="subtle" size="lg" aria-label="Go to a page" onClick={spotlight.open}>
          <Search size={20} aria-hidden />
        </ActionIcon>
      </Tooltip>
      <Spotlight
        actions={actions}
        shortcut={['mod + K']}
        nothingFound="There is no such page"
        searchProps={{ placeholder: 'Where to?', 'aria-label': 'Page' }}
        limit={12}
      />
    </>
  );
}
