/** Calls, failures and how long they took, over time. */
import { SimpleGrid } from '@mantine/core';
import { type ChartsProps, drawn } from '#portal/pages/insight/drawn.ts';
import { Panel } from '#portal/pages/insight/figures.tsx';
import { SmallChart } from '#portal/parts/small-chart.tsx';

export function Traffic({ lines, span, since }: ChartsProps) {
  const { times, calls, latency } = drawn(lines, span, since);
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      <Panel title="Calls">
        <SmallChart label="Calls and failures over time" times={times} series={calls} />
      </Panel>
      <Panel title="Response time">
        <SmallChart label="Response times over time" times={times} series={latency} />
      </Panel>
    </SimpleGrid>
  );
}
