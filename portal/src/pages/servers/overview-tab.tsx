/** How a server is here and now: figures, the last error, when it is tried again. */
import { Alert, Button, Group, Paper, SimpleGrid, Stack, Switch, Text } from '@mantine/core';
import { useState } from 'react';
import type { RouteOutput } from '#portal/api/client.ts';
import { useChange, useList } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { type Greeting, GreetingPanel } from './greeting.tsx';
import { type Health, LastFailure, StateBadge } from './state.tsx';

export type ServerItem = RouteOutput<'getOrganizationServer'>;

export function OverviewTab({ item }: { readonly item: ServerItem }) {
  const { organization, server } = item;
  const session = useSession();
  const mayWrite = isAllowed(session, 'admin:enablements:write', organization);
  const health = useList('listOrganizationHealth', { organization, server }, { everyMs: 5000 });
  const [greeting, setGreeting] = useState<Greeting>();
  const retry = useChange('retryServer', { refreshes: ['listOrganizationHealth'] });
  const [now] = health.items;
  return (
    <Stack>
      <OnOff item={item} mayWrite={mayWrite} />
      {health.error && <ErrorPanel error={health.error} retry={health.reload} />}
      {now && <Figures health={now} isOn={item.active && item.enablement?.enabled === true} />}
      {now?.retryAt && (
        <Alert color="red" title="Its calls are refused for a while" role="status">
          <Text size="sm">
            It failed too often, so callers are told at once instead of waiting. It is tried again{' '}
            <Time at={now.retryAt} />, or now if you ask.
          </Text>
        </Alert>
      )}
      {mayWrite && (
        <Group>
          <Button
            variant="default"
            loading={retry.isPending}
            onClick={() => retry.mutate({ organization, server }, { onSuccess: setGreeting })}
          >
            {now?.retryAt ? 'Retry now' : 'Ask it now'}
          </Button>
          <Text size="sm" c="dimmed">
            Greets the server as somebody in no group would, and calls go on at once where it is well.
          </Text>
        </Group>
      )}
      {greeting && <GreetingPanel greeting={greeting} />}
    </Stack>
  );
}

function OnOff({ item, mayWrite }: { readonly item: ServerItem; readonly mayWrite: boolean }) {
  const { organization, server, active, enablement } = item;
  const change = useChange('putEnablement', {
    refreshes: ['getOrganizationServer', 'listOrganizationServers', 'listOrganizationHealth'],
    done: ({ enablement: now }) => (now?.enabled ? 'It is on' : 'It is off, for everybody of this organization'),
  });
  return (
    <Switch
      label="On for this organization"
      description={
        active
          ? 'Off takes effect at once, also for sessions that are open.'
          : 'Switched off for everybody by whoever it belongs to.'
      }
      checked={active && enablement?.enabled === true}
      disabled={!mayWrite || !active || change.isPending}
      onChange={({ currentTarget }) => change.mutate({ organization, server, enabled: currentTarget.checked })}
    />
  );
}

export function Figures({
  health,
  isOn,
}: {
  readonly health: Pick<
    Health,
    'state' | 'instances' | 'healthy' | 'underWay' | 'waiting' | 'lastCheck' | 'lastFailure'
  >;
  readonly isOn: boolean;
}) {
  const { state, instances, healthy, underWay, waiting, lastCheck, lastFailure } = health;
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }}>
      <Figure label="State">
        <StateBadge state={isOn ? state : 'off'} />
      </Figure>
      <Figure label="Addresses that are well">
        {healthy} of {instances}
      </Figure>
      <Figure label="Calls now">
        {underWay} under way, {waiting} waiting
      </Figure>
      <Figure label="Heard of last">
        <Time at={lastCheck} />
      </Figure>
      <Figure label="Last failure">
        <LastFailure failure={lastFailure} />
      </Figure>
    </SimpleGrid>
  );
}

function Figure({ label, children }: { readonly label: string; readonly children: React.ReactNode }) {
  return (
    <Paper withBorder p="sm">
      <Text size="xs" c="dimmed">
        {label}
      </Text>
      <Text component="div" size="sm" fw={500}>
        {children}
      </Text>
    </Paper>
  );
}
