/** Calls, failures and how long they took, over time. */
import { SimpleGrid } from '@mantine/core';
import { useMemo } from 'react';
import type { Item } from '#portal/api/hooks.ts';
import { TimeChart } from '#portal/parts/time-chart.tsx';
import { Panel } from './figures.tsx';
import { bucketsOf, type Span } from './span.ts';

export type UsageLine = Item<'getUsage'>;

interface ChartsProps {
  readonly lines: readonly UsageLine[];
  readonly span: Span;
  readonly since: string;
  readonly height?: number;
}

export function UsageCharts({ lines, span, since, height = 200 }: ChartsProps) {
  const { times, calls, latency } = useMemo(() => drawn(lines, span, since), [lines, span, since]);
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      <Panel title="Calls">
        <TimeChart label="Calls and failures over time" times={times} series={calls} height={height} />
      </Panel>
      <Panel title="Response time">
        <TimeChart label="Response times over time" times={times} series={latency} height={height} />
      </Panel>
    </SimpleGrid>
  );
}

function drawn(lines: readonly UsageLine[], span: Span, since: string) {
  const byTime = new Map(lines.map((line) => [Date.parse(line.at ?? since) / 1000, line]));
  const times = bucketsOf(span, since);
  const found = times.map((time) => byTime.get(time));
  return {
    times,
    calls: [
      { label: 'Calls', color: '#2473c3', values: found.map((line) => line?.calls ?? 0) },
      { label: 'Failures', color: '#d6453d', values: found.map((line) => line?.failures ?? 0) },
    ],
    latency: [
      { label: 'p95', color: '#b06a00', unit: ' ms', values: found.map((line) => line?.p95Ms ?? null) },
      { label: 'Median', color: '#2b8a3e', unit: ' ms', values: found.map((line) => line?.p50Ms ?? null) },
    ],
  };
}
