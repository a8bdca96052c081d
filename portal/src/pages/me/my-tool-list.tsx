/** The tools of one of my addresses, with search, what each does, and a way to try it. */
import { Alert, Badge, Button, Code, Drawer, Group, Stack, Text, Title } from '@mantine/core';
import { useState } from 'react';
import { Link } from 'wouter';
import { type Item, useList, useRoute } from '#portal/api/hooks.ts';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';

export type Tool = Item<'listMyTools'>;

const columns: readonly Column<Tool>[] = [
  { title: 'Tool', cell: ({ name }) => name, width: '30%' },
  {
    title: 'What it does',
    cell: ({ title, description }) => (
      <Text size="sm" lineClamp={2}>
        {description || title || 'It does not say.'}
      </Text>
    ),
  },
  { title: 'Effect', cell: ({ annotations }) => <Effect annotations={annotations} /> },
  { title: 'Server', cell: ({ server }) => server ?? '–' },
];

export function MyToolList({ endpoint }: { readonly endpoint: string }) {
  const organization = useOrganization();
  const [search] = useUrlState('search');
  const input = { organization, endpoint, ...(search !== '' && { search }) };
  const list = useList('listMyTools', input);
  const [opened, setOpened] = useState<Tool>();
  return (
    <Stack component="section" gap="xs" aria-label="Tools">
      <Title order={2} size="h4">
        Tools
      </Title>
      <Gaps endpoint={endpoint} />
      <ResourceTable
        label="Tools that I may use"
        searchLabel="Search tools"
        list={list}
        columns={columns}
        rowKey={({ name, endpoint: at }) => `${at} ${name}`}
        onOpen={setOpened}
        empty={
          <Empty title="No tool yet">
            A tool shows here as soon as its server has said what it has and somebody gave you access. Under “Ask for
            access” you see what there is.
          </Empty>
        }
      />
      <Drawer opened={opened !== undefined} onClose={() => setOpened(undefined)} title={opened?.name} size="lg">
        {opened && <ToolDetail tool={opened} endpoint={endpoint} />}
      </Drawer>
    </Stack>
  );
}

/** Servers whose tools can't be shown, or were read some time ago. */
function Gaps({ endpoint }: { readonly endpoint: string }) {
  const organization = useOrganization();
  const { data } = useRoute('listMyTools', { organization, endpoint, limit: 1 });
  const { missing = [], stale = [] } = data ?? {};
  return missing.length + stale.length === 0 ? null : (
    <Alert color="yellow" p="xs">
      {missing.length > 0 && <Text size="sm">Never answered, so their tools are not here: {missing.join(', ')}.</Text>}
      {stale.length > 0 && <Text size="sm">Do not answer now; shown is what they had: {stale.join(', ')}.</Text>}
    </Alert>
  );
}

/** As the server says: nobody checked. */
export function Effect({ annotations }: { readonly annotations: Readonly<Record<string, unknown>> }) {
  if (annotations.readOnlyHint === true) return <Badge variant="light">Reads</Badge>;
  if (annotations.destructiveHint === false)
    return (
      <Badge variant="light" color="yellow">
        Adds
      </Badge>
    );
  return (
    <Badge variant="light" color="orange">
      May change
    </Badge>
  );
}

function ToolDetail({ tool, endpoint }: { readonly tool: Tool; readonly endpoint: string }) {
  const organization = useOrganization();
  const { name, title, description, inputSchema, outputSchema, annotations, server } = tool;
  const query = new URLSearchParams({ ...(endpoint !== '' && { endpoint }), tool: name }).toString();
  return (
    <Stack>
      <Group gap="xs">
        <Effect annotations={annotations} />
        {server !== null && <Text size="sm">of {server}</Text>}
      </Group>
      {title !== null && <Text fw={600}>{title}</Text>}
      <Text size="sm" className="as-written">
        {description || 'It does not say what it does.'}
      </Text>
      <Button component={Link} href={`/o/${organization}/playground?${query}`} w="fit-content">
        Try it
      </Button>
      <Schema title="What it takes" schema={inputSchema} />
      {outputSchema !== null && <Schema title="What it gives" schema={outputSchema} />}
    </Stack>
  );
}

const Schema = ({ title, schema }: { readonly title: string; readonly schema: unknown }) => (
  <div>
    <Text size="sm" fw={600}>
      {title}
    </Text>
    <Code block tabIndex={0} aria-label={title}>
      {JSON.stringify(schema, null, 2)}
    </Code>
  </div>
);
