/** Who is told what, by which way, and how the last delivery went. */
import { Badge, Button, Group, Switch, Text } from '@mantine/core';
import { useState } from 'react';
import { call } from '#portal/api/client.ts';
import { type Item, say, sayRefused, useChange, useList, useRoute } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { confirm } from '#portal/parts/confirm.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { ShownOnce } from '#portal/parts/shown-once.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { kinds, labelOf } from './events.ts';
import { NotificationForm } from './notification-form.tsx';

type Rule = Item<'listNotifications'>;

export function Page() {
  const organization = useOrganization();
  const mayChange = isAllowed(useSession(), 'admin:notifications:write', organization);
  const [search] = useUrlState('search');
  const [sort] = useUrlState('sort');
  const [rule, setRule] = useState<Rule | null>();
  const [secret, setSecret] = useState<string>();
  const order = (['name', '-name', 'kind', '-kind', 'sentAt', '-sentAt'] as const).find((one) => one === sort);
  const list = useList('listNotifications', {
    organization,
    ...(search !== '' && { search }),
    ...(order && { sort: order }),
  });
  const canMail = useRoute('listNotifications', { organization, limit: 1 }).data?.canMail ?? false;
  const add = mayChange && <Button onClick={() => setRule(null)}>New notification</Button>;
  return (
    <PageFrame
      title="Notifications"
      about="Who hears of what needs somebody. What is new is sent in one message, at most every five minutes."
      actions={add}
    >
      <ResourceTable
        label="Notifications"
        list={list}
        columns={mayChange ? [...columns, { title: 'Actions', cell: (row) => <Actions rule={row} /> }] : columns}
        rowKey={({ id }) => id}
        {...(mayChange && { onOpen: (row: Rule) => setRule(row) })}
        searchLabel="Find a notification"
        empty={
          <Empty title="Nobody is told of anything yet" action={add}>
            A notification says when a server fails, a tool changes, somebody asks for access or an API key is about to
            expire: in a channel, by e-mail, or to a program of your own.
          </Empty>
        }
      />
      <NotificationForm rule={rule} canMail={canMail} onClose={() => setRule(undefined)} onSecret={setSecret} />
      <ShownOnce secret={secret} what="signing secret" onClose={() => setSecret(undefined)} />
    </PageFrame>
  );
}

const columns: readonly Column<Rule>[] = [
  { title: 'Name', sort: 'name', cell: ({ name }) => name },
  { title: 'How', sort: 'kind', cell: ({ kind }) => kinds.find(({ value }) => value === kind)?.label ?? kind },
  { title: 'To', cell: ({ target }) => target },
  {
    title: 'Tells of',
    cell: ({ events }) => (
      <Text span size="sm" title={events.map(labelOf).join('\n')}>
        {events.length === 1 ? labelOf(events[0] ?? '') : `${events.length} things`}
      </Text>
    ),
  },
  { title: 'Last sent', sort: 'sentAt', cell: ({ sentAt }) => <Time at={sentAt} /> },
  { title: 'State', cell: (rule) => <State rule={rule} /> },
];

function State({ rule: { enabled, failure, failedAt } }: { readonly rule: Rule }) {
  if (!enabled)
    return (
      <Badge color="gray" variant="light" tt="none">
        off
      </Badge>
    );
  if (failure === null)
    return (
      <Badge color="green" variant="light" tt="none">
        on
      </Badge>
    );
  return (
    <>
      <Badge color="red" variant="light" tt="none">
        failed
      </Badge>{' '}
      <Text span size="sm">
        {failure} <Time at={failedAt} />
      </Text>
    </>
  );
}

function Actions({ rule: { id, name, enabled } }: { readonly rule: Rule }) {
  const organization = useOrganization();
  const [isBusy, setBusy] = useState(false);
  const refreshes = ['listNotifications'] as const;
  const update = useChange('updateNotification', { refreshes });
  const remove = useChange('removeNotification', { refreshes, done: `${name} was removed` });
  const test = async () => {
    setBusy(true);
    try {
      const { delivered, failure } = await call('testNotification', { organization, id });
      if (delivered) say(`The test of ${name} was delivered`);
      else sayRefused(new Error(failure ?? 'It was not delivered'));
    } catch (thrown) {
      sayRefused(thrown);
    }
    setBusy(false);
  };
  return (
    <Group gap="xs" wrap="nowrap">
      <Switch
        aria-label={`${name} is on`}
        checked={enabled}
        onChange={({ currentTarget }) => update.mutate({ organization, id, enabled: currentTarget.checked })}
      />
      <Button
        size="compact-sm"
        variant="default"
        loading={isBusy}
        onClick={() => void test()}
        aria-label={`Test ${name}`}
      >
        Test
      </Button>
      <Button
        size="compact-sm"
        variant="subtle"
        color="red"
        aria-label={`Remove ${name}`}
        onClick={() =>
          confirm({
            title: `Remove ${name}?`,
            text: 'Nobody hears of anything by it any more.',
            verb: 'Remove',
            onConfirm: () => remove.mutate({ organization, id }),
          })
        }
      >
        Remove
      </Button>
    </Group>
  );
}
