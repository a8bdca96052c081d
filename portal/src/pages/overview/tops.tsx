/** The most used tools, servers and people. */
import { Anchor, SimpleGrid, Skeleton, Table, Text } from '@mantine/core';
import { Link } from 'wouter';
import { useRoute } from '#portal/api/hooks.ts';
import { count, Panel, share } from '#portal/pages/insight/figures.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

interface TopsProps {
  readonly since: string;
  readonly span: string;
}

export function Tops(props: TopsProps) {
  return (
    <SimpleGrid cols={{ base: 1, md: 3 }}>
      <Top {...props} by="tool" title="Top tools" />
      <Top {...props} by="server" title="Top servers" />
      <Top {...props} by="user" title="Top people" />
    </SimpleGrid>
  );
}

interface TopProps extends TopsProps {
  readonly by: 'tool' | 'server' | 'user';
  readonly title: string;
}

function Top({ since, span, by, title }: TopProps) {
  const organization = useOrganization();
  const { data, isPending } = useRoute('getUsage', { organization, since, by, limit: 8 });
  const more = (
    <Anchor
      component={Link}
      href={`/o/${organization}/usage?span=${span}&by=${by}`}
      size="sm"
      aria-label={`${title}: all`}
    >
      All
    </Anchor>
  );
  const items = (data?.items ?? []).filter(({ group }) => group[by] !== null).slice(0, 6);
  return (
    <Panel title={title} more={more}>
      {isPending && <Skeleton h={120} aria-busy="true" />}
      {data && items.length === 0 && (
        <Text size="sm" c="dimmed">
          None in this time.
        </Text>
      )}
      {items.length > 0 && (
        <Table aria-label={title} verticalSpacing={4} layout="fixed">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{by === 'user' ? 'Person' : by === 'tool' ? 'Tool' : 'Server'}</Table.Th>
              <Table.Th w={70} ta="right">
                Calls
              </Table.Th>
              <Table.Th w={70} ta="right">
                Failed
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {items.map(({ group, calls, failures }) => (
              <Table.Tr key={String(group[by])}>
                <Table.Td>
                  <Anchor
                    component={Link}
                    size="sm"
                    truncate
                    display="block"
                    href={`/o/${organization}/audit?${by === 'user' ? 'person' : by}=${encodeURIComponent(String(group[by]))}`}
                  >
                    {String(group[by])}
                  </Anchor>
                </Table.Td>
                <Table.Td ta="right">{count(calls)}</Table.Td>
                <Table.Td ta="right">{share(failures, calls)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Panel>
  );
}
