/** Calls, failures and how long they took, over time: with a pointer that reads off. */
import { SimpleGrid } from '@mantine/core';
import { useMemo } from 'react';
import { TimeChart } from '#portal/parts/time-chart.tsx';
import { type ChartsProps, drawn } from './drawn.ts';
import { Panel } from './figures.tsx';

export function UsageCharts({ lines, span, since }: ChartsProps) {
  const { times, calls, latency } = useMemo(() => drawn(lines, span, since), [lines, span, since]);
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      <Panel title="Calls">
        <TimeChart label="Calls and failures over time" times={times} series={calls} height={200} />
      </Panel>
      <Panel title="Response time">
        <TimeChart label="Response times over time" times={times} series={latency} height={200} />
      </Panel>
    </SimpleGrid>
  );
}
