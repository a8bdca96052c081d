/** Who may use a server: all members, roles; and what groups and people were granted. */
import { Anchor, Button, Stack, Switch, Table, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { Link } from 'wouter';
import { useChange, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { RoleInput } from '#portal/parts/role-input.tsx';
import type { ServerItem } from './overview-tab.tsx';

interface TabProps {
  readonly item: ServerItem;
  readonly etag: string | undefined;
}

export function AccessTab({ item, etag }: TabProps) {
  const { organization, server, enablement } = item;
  const session = useSession();
  const mayWrite = isAllowed(session, 'admin:enablements:write', organization);
  const [roles, setRoles] = useState<readonly string[]>(enablement?.allowedRoles ?? []);
  const change = useChange('putEnablement', {
    refreshes: ['getOrganizationServer', 'listOrganizationServers'],
    done: 'Saved: it holds from now on',
  });
  return (
    <Stack>
      <Switch
        label="Every member may use it"
        description="Otherwise only the roles below, and groups and people that were granted it."
        checked={enablement?.allMembers === true}
        disabled={!mayWrite || change.isPending}
        onChange={({ currentTarget }) => change.mutate({ organization, server, allMembers: currentTarget.checked })}
      />
      <RoleInput
        value={roles}
        onChange={setRoles}
        disabled={!mayWrite}
        description="Members with one of these roles."
      />
      {mayWrite && (
        <Button
          w="fit-content"
          loading={change.isPending}
          onClick={() =>
            change.mutate({ organization, server, allowedRoles: [...roles], ...(etag !== undefined && { etag }) })
          }
        >
          Save roles
        </Button>
      )}
      <Grants organization={organization} server={server} />
    </Stack>
  );
}

function Grants({ organization, server }: { readonly organization: string; readonly server: string }) {
  const session = useSession();
  const { items } = useList(
    'listGrants',
    { organization, server, limit: 1000 },
    { enabled: isAllowed(session, 'admin:grants:read', organization) },
  );
  return (
    <Stack gap="xs">
      <Title order={2} size="h4">
        Granted to
      </Title>
      {items.length === 0 ? (
        <Text size="sm" c="dimmed">
          Nobody by name.
        </Text>
      ) : (
        <Table aria-label="Granted to">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Who</Table.Th>
              <Table.Th>Tools</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {items.map(({ id, group, email, user, tools }) => (
              <Table.Tr key={id}>
                <Table.Td>{group ?? email ?? user}</Table.Td>
                <Table.Td>{tools === null ? 'all' : tools.join(', ')}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
      <Anchor component={Link} href={`/o/${organization}/matrix?search=${encodeURIComponent(server)}`} size="sm">
        Grant it in Groups & Servers
      </Anchor>
    </Stack>
  );
}
