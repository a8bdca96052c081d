/** What a server said when it was asked, and what to do where it said no. */
import { Alert, Badge, Code, Group, Spoiler, Stack, Table, Text } from '@mantine/core';
import { CircleAlert, CircleCheck, KeyRound } from 'lucide-react';
import type { RouteOutput } from '#portal/api/client.ts';

export type Greeting = RouteOutput<'probeOrganizationServer'>;

export function GreetingPanel({ greeting }: { readonly greeting: Greeting }) {
  const { state, name, version, protocolVersion, era, ms, tools, cut, problem } = greeting;
  if (state !== 'well') return <Refused state={state} problem={problem} />;
  return (
    <Alert color="green" icon={<CircleCheck aria-hidden />} title={`${name ?? 'It'} answers`} role="status">
      <Stack gap="xs">
        <Group gap="xs">
          {version !== null && (
            <Badge variant="light" tt="none">
              version {version.slice(0, 40)}
            </Badge>
          )}
          <Badge variant="light" tt="none" color="gray">
            MCP {protocolVersion ?? era}
          </Badge>
          <Badge variant="light" tt="none" color="gray">
            {ms} ms
          </Badge>
          <Badge variant="light" tt="none" color="gray">
            {tools.length} tools
          </Badge>
        </Group>
        {cut !== null && <Text size="sm">Not all of its tools are shown: {cut}.</Text>}
        {tools.length > 0 && <ToolNames tools={tools} />}
      </Stack>
    </Alert>
  );
}

const advice: Readonly<Record<string, string>> = {
  upstream_unreachable: 'Check the address, and that this machine may reach it.',
  upstream_timeout: 'It did not answer in time: try once more, or check that it runs.',
  upstream_broken: 'Something answers there, but not as an MCP server does: check the path, often /mcp or /sse.',
  upstream_busy: 'It wants to be left alone for a while: try again later.',
};

function Refused({ state, problem }: Pick<Greeting, 'problem'> & { readonly state: 'sign-in' | 'failed' }) {
  if (state === 'sign-in')
    return (
      <Alert color="yellow" icon={<KeyRound aria-hidden />} title="It is there, and wants a sign-in" role="status">
        <Text size="sm">
          Give it a key here and test again; or save it, and give credentials by group afterwards. Where people sign in
          themselves, they do that when they first use it.
        </Text>
      </Alert>
    );
  return (
    <Alert color="red" icon={<CircleAlert aria-hidden />} title="It does not answer as it should" role="alert">
      <Stack gap={4} align="flex-start">
        <Text size="sm">{problem?.message}</Text>
        <Text size="sm">
          {advice[problem?.code ?? ''] ?? 'What it said is above: correct the definition and test again.'}
        </Text>
        <Code>{problem?.code}</Code>
      </Stack>
    </Alert>
  );
}

function ToolNames({ tools }: Pick<Greeting, 'tools'>) {
  return (
    <Spoiler maxHeight={220} showLabel="Show all" hideLabel="Show fewer">
      <Table aria-label="Tools" withRowBorders={false}>
        <Table.Tbody>
          {tools.slice(0, 300).map((tool) => (
            <Table.Tr key={String(tool.name)}>
              <Table.Td>
                <Code>{String(tool.name)}</Code>
              </Table.Td>
              <Table.Td>
                <Text size="sm" lineClamp={2}>
                  {typeof tool.description === 'string' ? tool.description : ''}
                </Text>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Spoiler>
  );
}
