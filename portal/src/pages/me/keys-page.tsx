/** My own API keys: they may what I may, and no more. */
import { Badge, Button, Code, MultiSelect, Select, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useState } from 'react';
import { type Item, useChange, useList } from '#portal/api/hooks.ts';
import { confirm } from '#portal/parts/confirm.tsx';
import { FormDrawer } from '#portal/parts/form-drawer.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { ShownOnce } from '#portal/parts/shown-once.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';

type Key = Item<'listMyKeys'>;

const columns: readonly Column<Key>[] = [
  { title: 'Name', cell: ({ name }) => name },
  { title: 'Ends in', cell: ({ last4 }) => <Code>…{last4}</Code> },
  { title: 'For', cell: ({ endpoints }) => endpoints?.join(', ') ?? 'everything that I may use' },
  { title: 'Made', cell: ({ createdAt }) => <Time at={createdAt} /> },
  { title: 'State', cell: (key) => <State {...key} /> },
  { title: '', cell: (key) => <Revoke {...key} /> },
];

export function Page() {
  const organization = useOrganization();
  const list = useList('listMyKeys', { organization });
  const [isNew, setNew] = useUrlState('new');
  const [secret, setSecret] = useState<string>();
  const add = <Button onClick={() => setNew('1')}>New key</Button>;
  return (
    <PageFrame
      title="My keys"
      about="For clients and programs that can't sign in with a browser. A key may what you may, and ends when you leave."
      actions={add}
    >
      <ResourceTable
        label="My keys"
        list={list}
        columns={columns}
        rowKey={({ id }) => id}
        empty={
          <Empty title="No key yet" action={add}>
            Most clients sign in with the browser and need none. Make one for a script, or for a client that asks for a
            token.
          </Empty>
        }
      />
      <NewKey opened={isNew !== ''} onClose={() => setNew('')} onMade={setSecret} />
      <ShownOnce secret={secret} what="API key" onClose={() => setSecret(undefined)} />
    </PageFrame>
  );
}

function State({ revokedAt, expiresAt }: Key) {
  if (revokedAt !== null) return <Badge color="gray">Revoked</Badge>;
  if (expiresAt === null) return <Badge color="green">Good until revoked</Badge>;
  const isOver = Date.parse(expiresAt) < Date.now();
  return (
    <Text size="sm" span>
      {isOver ? 'Ended ' : 'Ends '}
      <Time at={expiresAt} />
    </Text>
  );
}

function Revoke({ id, name, revokedAt }: Key) {
  const organization = useOrganization();
  const revoke = useChange('revokeMyKey', { refreshes: ['listMyKeys'], done: `${name} is revoked` });
  if (revokedAt !== null) return null;
  const ask = () =>
    confirm({
      title: `Revoke ${name}?`,
      text: 'What uses it is refused at once. This cannot be undone: make a new key instead.',
      verb: 'Revoke',
      onConfirm: () => revoke.mutate({ organization, id }),
    });
  return (
    <Button size="xs" variant="subtle" color="red" onClick={ask} aria-label={`Revoke ${name}`}>
      Revoke
    </Button>
  );
}

interface NewKeyProps {
  readonly opened: boolean;
  readonly onClose: () => void;
  readonly onMade: (key: string) => void;
}

const daySeconds = 86_400;

function NewKey({ opened, onClose, onMade }: NewKeyProps) {
  const organization = useOrganization();
  const create = useChange('createMyKey', { refreshes: ['listMyKeys'] });
  const { items } = useList('listMyEndpoints', { organization, limit: 1000 }, { enabled: opened });
  const form = useForm({
    initialValues: { name: '', endpoints: [] as string[], days: '90' },
    validate: { name: (value) => (value.trim() === '' ? 'Say what it is for' : null) },
  });
  const submit = form.onSubmit(({ name, endpoints, days }) =>
    create.mutate(
      {
        ...{ organization, name, expiresInSeconds: Number(days) * daySeconds },
        ...(endpoints.length > 0 && { endpoints }),
      },
      {
        onSuccess: ({ key }) => {
          form.reset();
          onClose();
          onMade(key);
        },
      },
    ),
  );
  return (
    <FormDrawer
      title="New key"
      opened={opened}
      onClose={onClose}
      onSubmit={submit}
      verb="Make it"
      isBusy={create.isPending}
    >
      <TextInput
        label="What it is for"
        placeholder="nightly report"
        required
        data-autofocus
        {...form.getInputProps('name')}
      />
      <MultiSelect
        label="What it may reach"
        description="Nothing chosen: everything that you may use."
        data={items.filter(({ name }) => name !== '').map(({ name, title }) => ({ value: name, label: title }))}
        searchable
        clearable
        clearButtonProps={{ 'aria-label': 'Choose nothing' }}
        {...form.getInputProps('endpoints')}
      />
      <Select
        label="Ends after"
        data={[
          { value: '1', label: 'a day' },
          { value: '7', label: 'a week' },
          { value: '30', label: '30 days' },
          { value: '90', label: '90 days' },
          { value: '365', label: 'a year' },
        ]}
        allowDeselect={false}
        {...form.getInputProps('days')}
      />
    </FormDrawer>
  );
}
