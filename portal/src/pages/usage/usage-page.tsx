/** Who uses what, how often and how well: over time, and grouped. */
import { Button, Group, SegmentedControl, SimpleGrid, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { Download } from 'lucide-react';
import { useState } from 'react';
import { hrefOf } from '#portal/api/client.ts';
import { useRoute } from '#portal/api/hooks.ts';
import type { UsageLine } from '#portal/pages/insight/drawn.ts';
import { bytes, count, duration, Figure, share } from '#portal/pages/insight/figures.tsx';
import { useSpan } from '#portal/pages/insight/span.ts';
import { SpanPicker } from '#portal/pages/insight/span-picker.tsx';
import { UsageCharts } from '#portal/pages/insight/usage-charts.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { ErrorPanel } from '#portal/parts/states.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { GroupedUsage } from './grouped-usage.tsx';

export const groups = [
  { value: 'tool', label: 'Tool' },
  { value: 'server', label: 'Server' },
  { value: 'user', label: 'Person' },
  { value: 'status', label: 'Status' },
  { value: 'endpoint', label: 'Endpoint' },
] as const;

export type GroupName = (typeof groups)[number]['value'];

export function Page() {
  const organization = useOrganization();
  const { span, since, setSpan } = useSpan();
  const [grouped, setGrouped] = useUrlState('by');
  const by = groups.find(({ value }) => value === grouped)?.value ?? 'tool';
  const [server] = useUrlState('server');
  const [tool] = useUrlState('tool');
  const [user] = useUrlState('user');
  const narrowed = {
    ...{ organization, since },
    ...(server !== '' && { server }),
    ...(tool !== '' && { tool }),
    ...(user !== '' && { user }),
  };
  const over = useRoute('getUsage', { ...narrowed, every: span.every, limit: 1000 });
  const total = useRoute('getUsage', narrowed);
  const sum = total.data?.items[0];
  return (
    <PageFrame
      title="Usage"
      about="Calls, failures and response times of this organization."
      actions={
        <>
          <SpanPicker value={span.name} onChange={setSpan} />
          <Button
            component="a"
            href={hrefOf('exportUsage', { ...narrowed, by, every: 'day', limit: 1000, format: 'csv' })}
            download
            variant="default"
            leftSection={<Download size={16} aria-hidden />}
          >
            CSV by day
          </Button>
        </>
      }
    >
      <Group gap="sm" align="flex-end">
        <Narrow name="server" label="Server" />
        <Narrow name="tool" label="Tool" />
        <Narrow name="user" label="Person" />
      </Group>
      {(over.error ?? total.error) && (
        <ErrorPanel error={over.error ?? total.error} retry={() => void over.refetch()} />
      )}
      <Sums sum={sum} />
      <UsageCharts lines={over.data?.items ?? []} span={span} since={since} />
      <Group gap="xs" style={{ overflowX: 'auto' }}>
        <SegmentedControl
          aria-label="Grouped by"
          data={groups.map(({ value, label }) => ({ value, label }))}
          value={by}
          onChange={setGrouped}
        />
      </Group>
      <GroupedUsage narrowed={narrowed} by={by} />
    </PageFrame>
  );
}

function Sums({ sum }: { readonly sum: UsageLine | undefined }) {
  const { calls = 0, failures = 0, p95Ms = 0, p99Ms = 0, bytesIn = 0, bytesOut = 0 } = sum ?? {};
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }}>
      <Figure label="Calls" value={count(calls)} />
      <Figure label="Failures" value={share(failures, calls)} />
      <Figure label="Response time, p95" value={duration(p95Ms)} about={`p99 ${duration(p99Ms)}`} />
      <Figure label="Data" value={bytes(bytesIn + bytesOut)} about={`${bytes(bytesIn)} in, ${bytes(bytesOut)} out`} />
    </SimpleGrid>
  );
}

/** Of one only; as it is called exactly. */
function Narrow({ name, label }: { readonly name: string; readonly label: string }) {
  const [value, setValue] = useUrlState(name);
  const [typed, setTyped] = useState(value);
  const [before, setBefore] = useState(value);
  if (before !== value) {
    setBefore(value);
    setTyped(value);
  }
  const settle = useDebouncedCallback(setValue, 400);
  return (
    <TextInput
      label={label}
      placeholder="any"
      size="xs"
      value={typed}
      onChange={({ currentTarget }) => {
        setTyped(currentTarget.value);
        settle(currentTarget.value.trim());
      }}
    />
  );
}
