/** The first server: one that the gateway has already, or an address. */
import { Anchor, Button, Group, Select, Stack, Tabs, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { Link } from 'wouter';
import { useChange, useList } from '#portal/api/hooks.ts';

interface StepProps {
  readonly organization: string;
  readonly onDone: () => void;
}

const refreshes = ['listOrganizationServers', 'listServers'] as const;

export function ServerStep(props: StepProps) {
  const { organization, onDone } = props;
  const servers = useList('listServers', { limit: 1000 });
  if (servers.isLoading) return null;
  return (
    <Stack mt="md">
      <Tabs defaultValue={servers.items.length > 0 ? 'here' : 'address'} keepMounted={false}>
        <Tabs.List aria-label="Where the server is" mb="md">
          {servers.items.length > 0 && <Tabs.Tab value="here">One that is here</Tabs.Tab>}
          <Tabs.Tab value="address">An address</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="here">
          <FromHere {...props} servers={servers.items} />
        </Tabs.Panel>
        <Tabs.Panel value="address">
          <FromAddress {...props} />
        </Tabs.Panel>
      </Tabs>
      <Text size="sm">
        Packages, images, OpenAPI documents and the catalogue are on the page{' '}
        <Anchor component={Link} href={`/o/${organization}/servers`}>
          Servers
        </Anchor>
        .
      </Text>
      <Button variant="subtle" w="fit-content" onClick={onDone}>
        Go on without one
      </Button>
    </Stack>
  );
}

interface FromHereProps extends StepProps {
  readonly servers: readonly { readonly key: string; readonly title: string }[];
}

function FromHere({ organization, onDone, servers }: FromHereProps) {
  const [server, setServer] = useState<string | null>(servers[0]?.key ?? null);
  const enable = useChange('putEnablement', { refreshes, done: 'Everybody of the organization may use it' });
  return (
    <Stack maw={420}>
      <Select
        label="Server"
        data={servers.map(({ key, title }) => ({ value: key, label: title }))}
        value={server}
        onChange={setServer}
        searchable={servers.length > 8}
        allowDeselect={false}
      />
      <Group>
        <Button
          loading={enable.isPending}
          disabled={server === null}
          onClick={() =>
            server !== null &&
            enable.mutate({ organization, server, enabled: true, allMembers: true }, { onSuccess: onDone })
          }
        >
          Use it
        </Button>
      </Group>
    </Stack>
  );
}

/** `https://mcp.example.com/mcp` is called `example`. */
function keyOf(url: string): string {
  if (!URL.canParse(url)) return '';
  const words = new URL(url).hostname.split('.').filter((word) => !/^(mcp|api|www|com|org|net|io|dev|ai)$/.test(word));
  return (words[0] ?? 'server')
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+/, '');
}

function FromAddress({ organization, onDone }: StepProps) {
  const [url, setUrl] = useState('');
  const [given, setGiven] = useState('');
  const key = given || keyOf(url);
  const create = useChange('createOrganizationServer', { refreshes, done: 'Everybody of the organization may use it' });
  const isRight = /^https?:\/\//.test(url) && URL.canParse(url) && /^[a-z0-9][a-z0-9-]{0,62}$/.test(key);
  const submit = (event: { preventDefault(): void }) => {
    event.preventDefault();
    create.mutate({ organization, key, transport: { kind: 'http', url }, allMembers: true }, { onSuccess: onDone });
  };
  return (
    <form onSubmit={submit}>
      <Stack maw={420}>
        <TextInput
          label="Address of the MCP server"
          required
          type="url"
          placeholder="https://mcp.example.com/mcp"
          value={url}
          onChange={({ currentTarget }) => setUrl(currentTarget.value)}
        />
        <TextInput
          label="Short name"
          description="Before the names of its tools."
          placeholder={keyOf(url)}
          value={given}
          onChange={({ currentTarget }) => setGiven(currentTarget.value)}
        />
        <Group>
          <Button type="submit" loading={create.isPending} disabled={!isRight}>
            Add it
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
