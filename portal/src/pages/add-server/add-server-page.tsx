/** Adding a server: one box for whatever there is, then what it still needs, a test, and it is there. */
import '@mantine/core/styles/Spoiler.css';
import { Alert, Badge, Card, Code, Group, List, Stack, Text, Textarea, UnstyledButton } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useState } from 'react';
import { useSearchParams } from 'wouter';
import { PageFrame } from '#portal/parts/page.tsx';
import { useOptionalOrganization } from '#portal/shell/organization.ts';
import { type Detected, detect } from './detect.ts';
import { ImportForm } from './import-form.tsx';
import { OpenApiForm } from './openapi-form.tsx';
import { ProgramForm } from './program-form.tsx';
import { RemoteForm } from './remote-form.tsx';

/** Of an organization, and without one in the address of the platform. */
export function Page() {
  const organization = useOptionalOrganization();
  const [search] = useSearchParams();
  const [text, setText] = useState(search.get('from') ?? '');
  // Whoever types is not asked about half an address.
  const [settled] = useDebouncedValue(text, 350);
  const detected = detect(settled);
  return (
    <PageFrame
      title="Add a server"
      about={
        organization === undefined
          ? 'Of the platform: it is offered to the organizations that you enable it for.'
          : 'Of this organization: nobody else sees it.'
      }
    >
      <Stack maw={820}>
        <Textarea
          label="Paste anything"
          description="An address, a command, a package, an image, a server.json, a client’s mcpServers, an OpenAPI document or its address."
          placeholder="https://mcp.example.com/mcp"
          autosize
          minRows={2}
          maxRows={14}
          spellCheck={false}
          styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
          value={text}
          onChange={({ currentTarget }) => setText(currentTarget.value)}
        />
        <div aria-live="polite">{settled.trim() !== '' && <What detected={detected} />}</div>
        {settled.trim() === '' ? (
          <Examples onChoose={setText} />
        ) : (
          <Form key={keyFor(detected)} detected={detected} organization={organization} />
        )}
      </Stack>
    </PageFrame>
  );
}

const keyFor = (detected: Detected): string => JSON.stringify(detected);

interface FormProps {
  readonly detected: Detected;
  readonly organization: string | undefined;
}

function Form({ detected, organization }: FormProps) {
  if (detected.kind === 'remote') return <RemoteForm detected={detected} organization={organization} />;
  if (detected.kind === 'program') return <ProgramForm detected={detected} organization={organization} />;
  if (detected.kind === 'openapi') return <OpenApiForm detected={detected} organization={organization} />;
  if (detected.kind === 'unknown') return null;
  if (organization !== undefined) return <ImportForm from={detected.from} organization={organization} />;
  return (
    <Alert color="blue" title="Imports belong to an organization">
      <Text size="sm">Choose the organization above, open its Servers, and paste this there.</Text>
    </Alert>
  );
}

const names: Readonly<Record<Detected['kind'], string>> = {
  remote: 'A server at an address',
  program: 'A program that the gateway runs',
  import: 'Servers to import',
  openapi: 'A REST API with an OpenAPI document',
  unknown: 'Not known',
};

function What({ detected }: { readonly detected: Detected }) {
  return (
    <Group gap="xs">
      <Badge tt="none" color={detected.kind === 'unknown' ? 'orange' : 'green'} variant="light">
        {names[detected.kind]}
      </Badge>
      {detected.kind === 'unknown' && <Text size="sm">{detected.why}</Text>}
      {detected.kind === 'program' && detected.note !== undefined && <Text size="sm">{detected.note}</Text>}
    </Group>
  );
}

const examples: readonly (readonly [string, string])[] = [
  ['https://mcp.example.com/mcp', 'an address'],
  ['npx -y @modelcontextprotocol/server-everything', 'a command'],
  ['pypi:mcp-server-time', 'a package of PyPI'],
  ['ghcr.io/example/mcp-server:1.2', 'an image'],
  ['io.github.example/weather', 'a name in the MCP registry'],
];

function Examples({ onChoose }: { readonly onChoose: (text: string) => void }) {
  return (
    <Card withBorder>
      <Text size="sm" fw={600} mb={4}>
        What can be pasted
      </Text>
      <List size="sm" spacing={4}>
        {examples.map(([text, what]) => (
          <List.Item key={text}>
            <UnstyledButton className="row-link" onClick={() => onChoose(text)}>
              <Code>{text}</Code>
            </UnstyledButton>{' '}
            {what}
          </List.Item>
        ))}
        <List.Item>
          a server.json, the mcpServers of any client (JSON, with comments too), an OpenAPI document
        </List.Item>
      </List>
    </Card>
  );
}
