/** Before anything was called: how to get the first one. */
import { Anchor, List, Text } from '@mantine/core';
import { Link } from 'wouter';
import { useSession } from '#portal/api/session.tsx';
import { Panel } from '#portal/pages/insight/figures.tsx';
import { CopyText } from '#portal/parts/copy.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

export function FirstCall() {
  const organization = useOrganization();
  const { gateway } = useSession();
  return (
    <Panel title="No calls in this time yet">
      <Text size="sm" mb="sm">
        Figures appear here with the first call. To get there:
      </Text>
      <List type="ordered" size="sm" spacing="xs" mb="sm">
        <List.Item>
          <Anchor component={Link} href={`/o/${organization}/servers`}>
            Add a server
          </Anchor>{' '}
          or enable one of the platform’s.
        </List.Item>
        <List.Item>
          Let people in:{' '}
          <Anchor component={Link} href={`/o/${organization}/matrix`}>
            who may use which server
          </Anchor>
          .
        </List.Item>
        <List.Item>Give this address to any MCP client:</List.Item>
      </List>
      <CopyText text={`${gateway.baseUrl}/${organization}/mcp`} label="MCP address" />
    </Panel>
  );
}
