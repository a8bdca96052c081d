/** Servers that Gatehouse knows, and those of the MCP registry by name. */
import {
  Alert,
  Anchor,
  Badge,
  Button,
  Checkbox,
  Code,
  Drawer,
  Group,
  PasswordInput,
  Stack,
  Text,
  TextInput,
} from '@mantine/core';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { type Item, useChange, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { ForWhom } from '#portal/pages/add-server/key-fields.tsx';
import { kindName } from '#portal/pages/servers/state.tsx';
import { useListQuery } from '#portal/parts/list-query.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { safeHref } from '#portal/parts/safe-href.ts';
import { Empty } from '#portal/parts/states.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';

type Entry = Item<'listCatalog'>;

const columns: readonly Column<Entry>[] = [
  { title: 'Server', sort: 'title', cell: ({ title }) => title },
  {
    title: 'What it is',
    cell: ({ description }) => (
      <Text size="sm" lineClamp={2} maw={480}>
        {description}
      </Text>
    ),
  },
  { title: 'Kind', sort: 'kind', cell: ({ kind }) => kindName(kind) },
  { title: 'Sign-in', cell: ({ auth }) => signIns[auth] },
  {
    title: 'Here',
    cell: ({ enabled }) =>
      enabled ? (
        <Badge color="green" variant="light">
          on
        </Badge>
      ) : (
        <Text c="dimmed">no</Text>
      ),
  },
];

const signIns: Readonly<Record<Entry['auth'], string>> = {
  none: 'none',
  key: 'a key',
  variable: 'a key',
  connected: 'everybody’s own account',
};

export function Page() {
  const organization = useOrganization();
  const [name, setName] = useUrlState('entry');
  const list = useList('listCatalog', { organization, ...useListQuery(['key', 'title', 'kind']) });
  const entry = list.items.find(({ key }) => key === name);
  return (
    <PageFrame title="Catalogue" about="Servers that come with Gatehouse, tried by its makers where it says so.">
      <RegistryBox organization={organization} />
      <ResourceTable
        label="Catalogue"
        list={list}
        columns={columns}
        rowKey={({ key }) => key}
        onOpen={({ key }) => setName(key)}
        searchLabel="Search the catalogue"
        empty={
          <Empty title="The catalogue is empty">Add a server by its address instead: Servers, Add a server.</Empty>
        }
      />
      <Drawer opened={entry !== undefined} onClose={() => setName('')} title={entry?.title}>
        {entry && <EntryForm key={entry.key} entry={entry} organization={organization} />}
      </Drawer>
    </PageFrame>
  );
}

function RegistryBox({ organization }: { readonly organization: string }) {
  const [, navigate] = useLocation();
  const [name, setName] = useState('');
  const isName = /^[A-Za-z0-9.-]+\/[A-Za-z0-9._-]+(@[A-Za-z0-9._+-]+)?$/.test(name);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (isName) navigate(`/o/${organization}/servers/add?from=${encodeURIComponent(name)}`);
      }}
    >
      <Group align="flex-end" gap="xs">
        <TextInput
          label="From the MCP registry"
          description="By its name there, with a version if you like."
          placeholder="io.github.example/weather@1.0.2"
          value={name}
          onChange={({ currentTarget }) => setName(currentTarget.value.trim())}
          w={{ base: '100%', sm: 360 }}
        />
        <Button type="submit" variant="default" disabled={!isName}>
          Look it up
        </Button>
      </Group>
    </form>
  );
}

interface FormProps {
  readonly entry: Entry;
  readonly organization: string;
}

function EntryForm({ entry, organization }: FormProps) {
  const { key, description, documentation, tags, url, command, auth, note, verified, enabled } = entry;
  const session = useSession();
  const href = safeHref(documentation);
  return (
    <Stack>
      <Text size="sm">{description}</Text>
      <Group gap={4}>
        {tags.map((tag) => (
          <Badge key={tag} color="gray" variant="light" tt="none">
            {tag}
          </Badge>
        ))}
        {verified && (
          <Badge variant="light" tt="none">
            tried
          </Badge>
        )}
      </Group>
      {href !== undefined && (
        <Anchor href={href} target="_blank" rel="noreferrer" size="sm">
          Its documentation
        </Anchor>
      )}
      {url !== null && <Code>{url}</Code>}
      {note !== null && <Alert color="blue">{note}</Alert>}
      {enabled ? (
        <Anchor component={Link} href={`/o/${organization}/servers/${key}`}>
          It is on: look at it
        </Anchor>
      ) : isAllowed(session, 'admin:servers:write', organization) ? (
        <AddForm entry={entry} organization={organization} />
      ) : (
        <Text size="sm" c="dimmed">
          Only administrators of servers add it.
        </Text>
      )}
      {auth === 'connected' && !session.isPlatform && (
        <Text size="sm">People link their own accounts with it, so an administrator of the gateway adds it.</Text>
      )}
      {command !== null && session.user !== null && (
        <Text size="sm">It runs a program, so it is added on the gateway’s machine: gatehouse catalog add {key}</Text>
      )}
    </Stack>
  );
}

function AddForm({ entry: { key, url, command, auth }, organization }: FormProps) {
  const [, navigate] = useLocation();
  const [credential, setCredential] = useState('');
  const [address, setAddress] = useState('');
  const [allMembers, setAllMembers] = useState(false);
  const [agreed, setAgreed] = useState(false);
  const add = useChange('addCatalogServer', {
    refreshes: ['listCatalog', 'listOrganizationServers', 'listServers'],
    done: ({ server }) => `${server} is on`,
  });
  const isKeyed = auth === 'key' || auth === 'variable';
  const isReady =
    (!isKeyed || credential !== '') &&
    (command === null || agreed) &&
    (url !== null || command !== null || address !== '');
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    add.mutate(
      {
        ...{ organization, key, allMembers, consent: command !== null && agreed ? [command] : [] },
        ...(isKeyed && { credential }),
        ...(address !== '' && { url: address }),
      },
      { onSuccess: ({ server }) => navigate(`/o/${organization}/servers/${server}`) },
    );
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {url === null && command === null && (
          <TextInput
            label="Its address"
            required
            placeholder="https://…"
            value={address}
            onChange={({ currentTarget }) => setAddress(currentTarget.value)}
          />
        )}
        {isKeyed && (
          <PasswordInput
            label="Key"
            description="Sealed, and never shown again."
            required
            autoComplete="off"
            value={credential}
            onChange={({ currentTarget }) => setCredential(currentTarget.value)}
          />
        )}
        {command !== null && (
          <>
            <Code block tabIndex={0}>
              {command}
            </Code>
            <Checkbox
              label="This may run on the gateway’s machine, exactly so"
              checked={agreed}
              onChange={({ currentTarget }) => setAgreed(currentTarget.checked)}
            />
          </>
        )}
        <ForWhom allMembers={allMembers} onChange={setAllMembers} />
        <Button type="submit" disabled={!isReady} loading={add.isPending} w="fit-content">
          Add it
        </Button>
      </Stack>
    </form>
  );
}
