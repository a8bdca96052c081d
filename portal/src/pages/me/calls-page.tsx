/** My own calls, and how much I may call. */
import { Badge, Code, Group, Progress, Select, Stack, Text } from '@mantine/core';
import { type Item, useList } from '#portal/api/hooks.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { PageTabs } from '#portal/parts/page-tabs.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';

type Call = Item<'listMyCalls'>;
type Limit = Item<'listMyLimits'>;

export function Page() {
  return (
    <PageFrame title="My calls" about="What was called in your name, by which of your clients ever, and your limits.">
      <PageTabs
        label="My calls"
        tabs={[
          { value: 'calls', title: 'Calls', content: () => <Calls /> },
          { value: 'limits', title: 'Limits', content: () => <Limits /> },
        ]}
      />
    </PageFrame>
  );
}

const callColumns: readonly Column<Call>[] = [
  { title: 'When', cell: ({ at }) => <Time at={at} /> },
  { title: 'What', cell: ({ method, name }) => <What method={method} name={name} /> },
  { title: 'Server', cell: ({ server, endpoint }) => server ?? endpoint ?? '–' },
  { title: 'Outcome', cell: (call) => <Outcome {...call} /> },
  { title: 'Took', cell: ({ durationMs }) => `${Math.round(durationMs)} ms`, isNumeric: true },
  { title: 'Request', cell: ({ requestId }) => <Code fz="xs">{requestId.slice(0, 12)}</Code> },
];

const What = ({ method, name }: Pick<Call, 'method' | 'name'>) => (
  <div>
    <Text size="sm" fw={500}>
      {name ?? method ?? 'connected'}
    </Text>
    {name !== null && (
      <Text size="xs" c="dimmed">
        {method}
      </Text>
    )}
  </div>
);

function Outcome({ decision, reason, status }: Call) {
  if (decision !== 'allow')
    return (
      <Badge color="red" variant="light" title={reason ?? undefined}>
        Refused{reason === null ? '' : `: ${reason}`}
      </Badge>
    );
  return (
    <Badge color={status < 400 ? 'green' : 'orange'} variant="light">
      {status < 400 ? 'Answered' : `Failed (${status})`}
    </Badge>
  );
}

function Calls() {
  const organization = useOrganization();
  const [decision, setDecision] = useUrlState('decision');
  const asked = decision === 'allow' || decision === 'deny' ? decision : undefined;
  const list = useList('listMyCalls', { organization, ...(asked && { decision: asked }) });
  return (
    <ResourceTable
      label="My calls"
      list={list}
      columns={callColumns}
      rowKey={({ id }) => id}
      filters={
        <Select
          label="Outcome"
          size="xs"
          data={[
            { value: '', label: 'All' },
            { value: 'allow', label: 'Allowed' },
            { value: 'deny', label: 'Refused' },
          ]}
          value={asked ?? ''}
          onChange={(value) => setDecision(value ?? '')}
          allowDeselect={false}
        />
      }
      empty={<Empty title="No call yet">What your clients call shows here within a moment.</Empty>}
    />
  );
}

const counted = { organization: 'everybody here together', principal: 'you', group: 'your group' } as const;

const limitColumns: readonly Column<Limit>[] = [
  { title: 'Counts', cell: ({ counts }) => counted[counts] },
  { title: 'Of', cell: ({ server, tool }) => [server, tool].filter(Boolean).join(' · ') || 'everything' },
  { title: 'Left', cell: (limit) => <Left {...limit} />, width: '35%' },
  { title: 'At a time', cell: ({ concurrent }) => concurrent ?? 'no limit', isNumeric: true },
];

function Left({ points, remaining, used, windowSeconds, resetSeconds }: Limit) {
  if (points === null) return 'no limit';
  const per = windowSeconds === null ? '' : ` in ${windowSeconds === 60 ? 'a minute' : `${windowSeconds} seconds`}`;
  return (
    <Stack gap={4}>
      <Text size="sm">
        {remaining ?? points} of {points}
        {per}
        {resetSeconds !== null && (used ?? 0) > 0 && `, full again in ${resetSeconds} s`}
      </Text>
      <Progress value={points === 0 ? 0 : (100 * (remaining ?? points)) / points} aria-label="Left" size="sm" />
    </Stack>
  );
}

function Limits() {
  const organization = useOrganization();
  const list = useList('listMyLimits', { organization }, { everyMs: 5_000 });
  return (
    <Stack gap="xs">
      <ResourceTable
        label="My limits"
        list={list}
        columns={limitColumns}
        rowKey={({ id }) => id}
        empty={<Empty title="No limit">Nothing here limits how much you call.</Empty>}
      />
      <Group>
        <Text size="xs" c="dimmed">
          Beyond a limit a call is refused with 429 and says when to try again.
        </Text>
      </Group>
    </Stack>
  );
}
