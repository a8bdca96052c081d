/** The menu behind `account-menu.tsx`: it is loaded when it is first opened. */
import { Menu, Text, useMantineColorScheme } from '@mantine/core';
import { LogOut, Moon, Sun, SunMoon, UserRound, Wrench } from 'lucide-react';
import { signOut, useSession } from '#portal/api/session.tsx';
import '#portal/styles-later.ts';
import { AccountButton } from './account-menu.tsx';
import { here } from './place.ts';

export function AccountMenuOpened() {
  const { user, gateway, isPlatform, organizations } = useSession();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const administers = isPlatform || organizations.some(({ permissions }) => permissions.length > 0);
  return (
    <Menu position="bottom-end" width={240} withinPortal defaultOpened>
      <Menu.Target>
        <AccountButton />
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          <Text size="sm" fw={600} truncate>
            {user?.name ?? user?.username ?? user?.email ?? 'Platform administrator'}
          </Text>
          <Text size="xs" truncate>
            {user?.email ?? ''}
          </Text>
        </Menu.Label>
        {here.place === 'me' && administers && (
          <Menu.Item component="a" href="/mcp-admin" leftSection={<Wrench size={16} aria-hidden />}>
            Administration
          </Menu.Item>
        )}
        {here.place === 'admin' && user !== null && (
          <Menu.Item component="a" href="/me" leftSection={<UserRound size={16} aria-hidden />}>
            My tools
          </Menu.Item>
        )}
        <Menu.Divider />
        {(['light', 'dark', 'auto'] as const).map((scheme) => (
          <Menu.Item
            key={scheme}
            onClick={() => setColorScheme(scheme)}
            leftSection={schemes[scheme].icon}
            aria-current={colorScheme === scheme ? 'true' : undefined}
          >
            {schemes[scheme].label}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item onClick={() => void signOut()} leftSection={<LogOut size={16} aria-hidden />}>
          Sign out
        </Menu.Item>
        <Menu.Label>Gatehouse {gateway.version}</Menu.Label>
      </Menu.Dropdown>
    </Menu>
  );
}

const schemes = {
  light: { label: 'Light', icon: <Sun size={16} aria-hidden /> },
  dark: { label: 'Dark', icon: <Moon size={16} aria-hidden /> },
  auto: { label: 'As the system', icon: <SunMoon size={16} aria-hidden /> },
};
