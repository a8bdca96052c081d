/** The frame around every page: navigation, organization, who is signed in. */
import { AppShell, Burger, Center, Group, Loader, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { type ReactNode, useEffect } from 'react';
import { useLocation } from 'wouter';
import { ApiError } from '#portal/api/client.ts';
import { SessionProvider, useLoadedSession } from '#portal/api/session.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { AccountMenu } from './account-menu.tsx';
import { Navigation } from './navigation.tsx';
import { rememberOrganization, useOptionalOrganization } from './organization.ts';
import { OrganizationPicker } from './organization-picker.tsx';
import { PaletteButton } from './palette-button.tsx';

export function Shell({ children }: { readonly children: ReactNode }) {
  const { data: session, error } = useLoadedSession();
  const [isOpen, { toggle, close }] = useDisclosure();
  const org = useOptionalOrganization();
  const [path] = useLocation();
  useEffect(() => {
    if (org !== undefined) rememberOrganization(org);
  }, [org]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the navigation closes when another page is shown
  useEffect(close, [path]);
  if (error && !(error instanceof ApiError && error.status === 401)) {
    return (
      <Center mih="100dvh" p="md">
        <ErrorPanel error={error} />
      </Center>
    );
  }
  if (!session) {
    return (
      <Center mih="100dvh" aria-busy="true">
        <Loader role="img" aria-label="Loading" />
      </Center>
    );
  }
  return (
    <SessionProvider session={session}>
      <a className="skip" href="#main">
        Skip to the page
      </a>
      <AppShell
        header={{ height: 56 }}
        navbar={{ width: 248, breakpoint: 'sm', collapsed: { mobile: !isOpen } }}
        padding="md"
      >
        <AppShell.Header>
          <Group h="100%" px="md" justify="space-between" wrap="nowrap">
            <Group gap="sm" wrap="nowrap">
              <Burger opened={isOpen} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Navigation" />
              <img src="/mcp-admin/icon.svg" width={26} height={26} alt="" />
              <Text fw={650} visibleFrom="sm">
                Gatehouse
              </Text>
              <OrganizationPicker />
            </Group>
            <Group gap="xs" wrap="nowrap">
              <PaletteButton />
              <AccountMenu />
            </Group>
          </Group>
        </AppShell.Header>
        <AppShell.Navbar p="xs" aria-label="Pages">
          <Navigation />
        </AppShell.Navbar>
        <AppShell.Main id="main" tabIndex={-1}>
          {children}
        </AppShell.Main>
      </AppShell>
    </SessionProvider>
  );
}
