/** Who can do what: by tool, by person, and all groups against all tools. */
import { Badge, Button, Group, Select, Stack, Text } from '@mantine/core';
import { Link } from 'wouter';
import { type Item, useList } from '#portal/api/hooks.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { PageTabs } from '#portal/parts/page-tabs.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { PersonAccess } from './person-access.tsx';
import { PolicyMatrix } from './policy-matrix.tsx';
import { answers, byText } from './reasons.ts';

export function Page() {
  return (
    <PageFrame title="Who can do what" about="Grants, what is switched off and policies together, as they hold now.">
      <PageTabs
        label="Who can do what"
        tabs={[
          { value: 'tool', title: 'By tool', content: () => <ByTool /> },
          { value: 'person', title: 'By person', content: () => <PersonAccess /> },
          { value: 'groups', title: 'Groups by tools', content: () => <PolicyMatrix /> },
        ]}
      />
    </PageFrame>
  );
}

type Row = Item<'showWhoCan'>;

const Answer = ({ answer }: Pick<Row, 'answer'>) => (
  <Badge color={answers[answer].color} variant="light" title={answers[answer].why}>
    {answers[answer].text}
  </Badge>
);

const columnsOf = (organization: string): readonly Column<Row>[] => [
  { title: 'Who', cell: ({ name, email, user }) => name ?? email ?? user },
  { title: 'May', cell: ({ answer }) => <Answer answer={answer} /> },
  { title: 'By', cell: ({ by }) => by.map(byText).join('; ') || '–' },
  { title: 'Policies', cell: ({ policies }) => policies.join(', ') || '–' },
  {
    title: '',
    cell: ({ user, name }) => (
      <Button
        component={Link}
        size="xs"
        variant="subtle"
        aria-label={`Everything that ${name ?? user} may use`}
        href={`/o/${organization}/who-can?${new URLSearchParams({ tab: 'person', user }).toString()}`}
      >
        All of theirs
      </Button>
    ),
  },
];

function ByTool() {
  const organization = useOrganization();
  const [endpoint, setEndpoint] = useUrlState('endpoint');
  const [tool, setTool] = useUrlState('tool');
  const endpoints = useEndpoints(organization);
  const isKnown = endpoint !== '';
  const list = useList(
    'showWhoCan',
    { organization, endpoint: isKnown ? endpoint : 'x', ...(tool !== '' && { tool }) },
    { enabled: isKnown },
  );
  const tools = useTools(organization, isKnown ? endpoint : undefined);
  return (
    <Stack gap="sm">
      <Group align="flex-end" gap="sm">
        <Select
          label="Server or collection"
          data={endpoints}
          value={isKnown ? endpoint : null}
          onChange={(value) => setEndpoint(value ?? '')}
          searchable
          limit={300}
          placeholder="Choose one"
        />
        <Select
          label="Tool"
          data={tool === '' || tools.includes(tool) ? tools : [tool, ...tools]}
          value={tool === '' ? null : tool}
          onChange={(value) => setTool(value ?? '')}
          searchable
          clearable
          limit={300}
          placeholder="any of it"
          disabled={!isKnown}
          clearButtonProps={{ 'aria-label': 'Any tool' }}
        />
        {tool !== '' && (
          <Button
            component={Link}
            variant="default"
            href={`/o/${organization}/test-bench?${new URLSearchParams({ server: endpoint, tool }).toString()}`}
          >
            On the test bench
          </Button>
        )}
      </Group>
      {isKnown ? (
        <ResourceTable
          label="Who may use it"
          list={list}
          columns={columnsOf(organization)}
          rowKey={({ user }) => user}
          empty={<Empty title="Nobody">This organization has no members yet.</Empty>}
        />
      ) : (
        <Text size="sm">Choose a server or collection to see who reaches it, and by what.</Text>
      )}
    </Stack>
  );
}

/** Those that were seen there. */
function useTools(organization: string, server: string | undefined): readonly string[] {
  const input = { organization, limit: 1000, ...(server !== undefined && { server }) };
  const pins = useList('listPins', input, { enabled: server !== undefined });
  return server === undefined ? [] : [...new Set(pins.items.map(({ tool }) => tool))].sort();
}

/** Servers by key, collections by name. */
function useEndpoints(organization: string) {
  const servers = useList('listOrganizationServers', { organization, enabled: 'true', limit: 1000 });
  const collections = useList('listCollections', { organization, limit: 1000 });
  const names = collections.items.map(({ name }) => name);
  // Of one name, the collection is what callers reach.
  const others = servers.items.filter(({ server }) => !names.includes(server));
  return [
    { group: 'Collections', items: names },
    { group: 'Servers', items: others.map(({ server, title }) => ({ value: server, label: title })) },
  ];
}
