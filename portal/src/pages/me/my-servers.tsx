/** Servers that I reach, how they are, and my own accounts there. */
import { Badge, Button, Group, Stack, Table, Text, Title } from '@mantine/core';
import type { Item } from '#portal/api/hooks.ts';
import { useChange, useList } from '#portal/api/hooks.ts';
import { confirm } from '#portal/parts/confirm.tsx';
import { safeHref } from '#portal/parts/safe-href.ts';
import { Scrolling } from '#portal/parts/scrolling.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

type Endpoint = Item<'listMyEndpoints'>;
type MyServer = Endpoint['servers'][number];
type Account = Item<'listMyAccounts'>;

const states = {
  well: { color: 'green', text: 'Works' },
  down: { color: 'red', text: 'Does not answer' },
  unknown: { color: 'gray', text: 'Not asked yet' },
  'sign-in': { color: 'yellow', text: 'Wants your sign-in' },
  off: { color: 'gray', text: 'Switched off' },
} as const;

const accountStates = {
  ok: 'Connected',
  expiring: 'Connected, ends soon',
  failed: 'Refused: sign in again',
  none: 'Not connected',
} as const;

export function MyServers({ endpoints }: { readonly endpoints: readonly Endpoint[] }) {
  const organization = useOrganization();
  const accounts = useList('listMyAccounts', { organization, limit: 1000 });
  const servers = new Map(endpoints.flatMap((endpoint) => endpoint.servers).map((server) => [server.key, server]));
  return (
    <Stack component="section" gap="xs" aria-label="My servers">
      <Title order={2} size="h4">
        My servers
      </Title>
      {accounts.error && <ErrorPanel error={accounts.error} retry={accounts.reload} />}
      {servers.size === 0 ? (
        <Text size="sm" c="dimmed">
          You reach none yet. Ask for access to what you need under “Ask for access”.
        </Text>
      ) : (
        <Scrolling className="scrolling my-servers" label="Servers">
          <Table aria-label="My servers">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Server</Table.Th>
                <Table.Th>State</Table.Th>
                <Table.Th>My account there</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {[...servers.values()].map((server) => (
                <ServerRow
                  key={server.key}
                  server={server}
                  account={accounts.items.find((account) => account.server === server.key)}
                />
              ))}
            </Table.Tbody>
          </Table>
        </Scrolling>
      )}
    </Stack>
  );
}

function ServerRow({ server, account }: { readonly server: MyServer; readonly account: Account | undefined }) {
  const { color, text } = states[server.state];
  return (
    <Table.Tr>
      <Table.Td>
        <Text size="sm" fw={500}>
          {server.title}
        </Text>
        {server.title !== server.key && (
          <Text size="xs" c="dimmed">
            {server.key}
          </Text>
        )}
      </Table.Td>
      <Table.Td>
        <Badge color={color} variant="light">
          {text}
        </Badge>
      </Table.Td>
      <Table.Td>{account ? <AccountCell account={account} /> : <SharedAccount server={server} />}</Table.Td>
    </Table.Tr>
  );
}

function SharedAccount({ server }: { readonly server: MyServer }) {
  const href = safeHref(server.connectUrl);
  return href === undefined ? (
    <Text size="sm" c="dimmed">
      none needed
    </Text>
  ) : (
    <Button component="a" href={href} size="xs">
      Sign in
    </Button>
  );
}

function AccountCell({ account }: { readonly account: Account }) {
  const organization = useOrganization();
  const { server, title, state, failedReason, missingScopes, expiresAt } = account;
  const remove = useChange('removeMyAccount', {
    refreshes: ['listMyAccounts', 'listMyEndpoints', 'listMyTools'],
    done: `${title} is disconnected`,
  });
  const href = safeHref(account.connectUrl);
  const ask = () =>
    confirm({
      title: `Disconnect ${title}?`,
      text: 'What your clients call there fails until you sign in again.',
      verb: 'Disconnect',
      onConfirm: () => remove.mutate({ organization, server }),
    });
  return (
    <Group gap="xs">
      <div>
        <Text size="sm">{accountStates[state]}</Text>
        {failedReason !== null && (
          <Text size="xs" c="dimmed">
            {failedReason}
          </Text>
        )}
        {missingScopes.length > 0 && (
          <Text size="xs" c="dimmed">
            Lacks {missingScopes.join(', ')}
          </Text>
        )}
        {state === 'expiring' && expiresAt !== null && <Time at={expiresAt} />}
      </div>
      {href !== undefined && (
        <Button component="a" href={href} size="xs" variant={state === 'ok' ? 'default' : 'filled'}>
          {state === 'none' ? 'Sign in' : 'Reconnect'}
        </Button>
      )}
      {state !== 'none' && (
        <Button size="xs" variant="subtle" color="red" onClick={ask} loading={remove.isPending}>
          Disconnect
        </Button>
      )}
    </Group>
  );
}
