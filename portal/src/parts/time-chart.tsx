/** Figures over time. What it draws is also a table, for those who can't see it. */
import { useComputedColorScheme } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { type Series, SeriesTable } from './series.tsx';

interface ChartProps {
  readonly label: string;
  /** Unix seconds, ascending. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly height?: number;
}

export function TimeChart({ label, times, series, height = 220 }: ChartProps) {
  const { ref, width } = useElementSize();
  const place = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme('light');
  useEffect(() => {
    if (!place.current || width === 0) return;
    const ink = scheme === 'dark' ? '#c9d1d9' : '#3f474f';
    const grid = { stroke: scheme === 'dark' ? '#373e47' : '#e3e6ea', width: 1 };
    const axis = { stroke: ink, grid, ticks: grid };
    const chart = new uPlot(
      {
        width,
        height,
        legend: { live: true },
        axes: [axis, { ...axis, size: 56 }],
        series: [
          {},
          ...series.map(({ label: name, color, unit = '' }) => ({
            label: name,
            stroke: color,
            width: 2,
            fill: `${color}22`,
            points: { show: times.length < 3 },
            value: (_: uPlot, value: number | null) => (value === null ? '–' : `${Math.round(value * 10) / 10}${unit}`),
          })),
        ],
        scales: { y: { range: (_, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
      },
      [[...times], ...series.map(({ values }) => [...values])],
      place.current,
    );
    return () => chart.destroy();
  }, [width, height, scheme, times, series]);
  return (
    <div ref={ref}>
      <div ref={place} aria-hidden />
      <SeriesTable label={label} times={times} series={series} />
    </div>
  );
}
