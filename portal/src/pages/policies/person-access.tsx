/** Everything that one member may use, and by what. */
import { Badge, Group, Stack, Text } from '@mantine/core';
import { Link } from 'wouter';
import { type Item, useList, useRoute } from '#portal/api/hooks.ts';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { PickMember } from './pick-member.tsx';
import { answers, byText } from './reasons.ts';

type Row = Item<'showAccess'>;

const columns: readonly Column<Row>[] = [
  { title: 'Address', cell: ({ endpoint }) => endpoint },
  { title: 'Kind', cell: ({ kind }) => kind },
  { title: 'Reaches it', cell: ({ admitted }) => (admitted ? 'yes' : 'no') },
  { title: 'By', cell: ({ by }) => by.map(byText).join('; ') || '–' },
  { title: 'Tools', cell: ({ tools }) => <Tools tools={tools} /> },
];

/** How many of each answer: a list of a thousand names says less. */
function Tools({ tools }: Pick<Row, 'tools'>) {
  if (tools.length === 0) return <Text size="sm">not known yet</Text>;
  const found = Object.entries(answers).flatMap(([answer, { text, color, why }]) => {
    const names = tools.filter((tool) => tool.answer === answer).map(({ name }) => name);
    return names.length === 0 ? [] : [{ text, color, why, names }];
  });
  return (
    <details className="more">
      <summary>
        <Group gap={4} display="inline-flex">
          {found.map(({ text, color, names }) => (
            <Badge key={text} color={color} variant="light">
              {text}: {names.length}
            </Badge>
          ))}
        </Group>
      </summary>
      {found.map(({ text, why, names }) => (
        <Text key={text} size="sm">
          {why} {names.join(', ')}
        </Text>
      ))}
    </details>
  );
}

export function PersonAccess() {
  const organization = useOrganization();
  const [user, setUser] = useUrlState('user');
  const isKnown = user !== '';
  const input = { organization, user };
  const list = useList('showAccess', input, { enabled: isKnown });
  const { data } = useRoute('showAccess', { ...input, limit: 1 }, { enabled: isKnown });
  return (
    <Stack gap="sm">
      <Group align="flex-end">
        <PickMember
          organization={organization}
          label="Member"
          value={isKnown ? user : null}
          onChange={(value) => setUser(value ?? '')}
        />
        {isKnown && (
          <Text size="sm">
            <Link href={`/o/${organization}/audit?${new URLSearchParams({ person: user }).toString()}`}>
              Their audit log
            </Link>
          </Text>
        )}
      </Group>
      {isKnown && data && (
        <Text size="sm">
          {data.isAdministrator && 'Administers this organization. '}
          Roles: {data.roles.join(', ') || 'none'}. Groups: {data.groups.join(', ') || 'none'}.
        </Text>
      )}
      {isKnown ? (
        <ResourceTable
          label="What they may use"
          list={list}
          columns={columns}
          rowKey={({ endpoint, kind }) => `${kind} ${endpoint}`}
          empty={<Empty title="There is nothing to use">Enable a server for this organization first.</Empty>}
        />
      ) : (
        <Text size="sm">Choose a member to see everything that they may use.</Text>
      )}
    </Stack>
  );
}
