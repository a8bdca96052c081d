/** Applications that I let in, and taking that back. */
import { Button, Text } from '@mantine/core';
import { type Item, useChange, useList } from '#portal/api/hooks.ts';
import { confirm } from '#portal/parts/confirm.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

type App = Item<'listMyApps'>;

const columns: readonly Column<App>[] = [
  { title: 'Application', cell: (app) => <AppName {...app} /> },
  { title: 'May', cell: ({ scopes }) => scopes.map(scopeText).join(', ') },
  { title: 'Since', cell: ({ since }) => <Time at={since} /> },
  { title: 'Last used', cell: ({ lastUsedAt }) => <Time at={lastUsedAt} /> },
  { title: '', cell: (app) => <Remove {...app} /> },
];

const scopeTexts: Readonly<Record<string, string>> = {
  'mcp:read': 'see tools',
  'mcp:write': 'call tools',
  offline_access: 'stay signed in',
  openid: 'know who you are',
  email: 'know your address',
  profile: 'know your name',
};
export const scopeText = (scope: string): string => scopeTexts[scope] ?? scope;

export const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : url);

export function AppName({ name, client, kind, url }: Pick<App, 'name' | 'client' | 'kind' | 'url'>) {
  const from = kind === 'document' ? `says ${hostOf(client)}` : url === null ? 'named by itself' : hostOf(url);
  return (
    <div>
      <Text size="sm" fw={500}>
        {name ?? client}
      </Text>
      <Text size="xs" c="dimmed">
        {kind === 'program' ? 'program of your organization' : from}
      </Text>
    </div>
  );
}

export function Page() {
  const organization = useOrganization();
  const list = useList('listMyApps', { organization });
  return (
    <PageFrame title="My apps" about="Clients that you signed in with: each calls in your name until you take it back.">
      <ResourceTable
        label="Applications"
        list={list}
        columns={columns}
        rowKey={({ client }) => client}
        empty={
          <Empty title="No application yet">
            When you sign in with a client, it shows here. Set one up under “My tools”.
          </Empty>
        }
      />
    </PageFrame>
  );
}

function Remove({ client, name }: App) {
  const organization = useOrganization();
  const called = name ?? client;
  const remove = useChange('removeMyApp', { refreshes: ['listMyApps'], done: `${called} has no access any more` });
  const ask = () =>
    confirm({
      title: `Take back what ${called} may do?`,
      text: 'Its tokens end at once. It may ask you to sign in again.',
      verb: 'Take it back',
      onConfirm: () => remove.mutate({ organization, client }),
    });
  return (
    <Button size="xs" variant="subtle" color="red" onClick={ask} aria-label={`Take back the access of ${called}`}>
      Take back
    </Button>
  );
}
