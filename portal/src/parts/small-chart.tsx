/** A line or two over time, drawn without a library: for the first view. What it draws is also a table, for those who can't see it. */
import { Group, Text } from '@mantine/core';
import type { Series } from './series.tsx';
import { SeriesTable } from './series.tsx';

interface SmallChartProps {
  readonly label: string;
  /** Unix seconds, ascending. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
}

const width = 600;
const height = 160;

export function SmallChart({ label, times, series }: SmallChartProps) {
  const most = Math.max(1, ...series.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const unit = series[0]?.unit ?? '';
  return (
    <div>
      <Group justify="space-between" wrap="nowrap">
        <Text size="xs" c="dimmed">
          {`${shown.format(most)}${unit}`}
        </Text>
        <Group gap="sm">
          {series.map(({ label: name, color }) => (
            <Text key={name} size="xs" component="span">
              <svg width={10} height={10} aria-hidden>
                <circle cx={5} cy={5} r={4} fill={color} />
              </svg>{' '}
              {name}
            </Text>
          ))}
        </Group>
      </Group>
      <svg className="small-chart" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden>
        {[0, 0.5, 1].map((part) => (
          <line key={part} x1={0} x2={width} y1={part * height} y2={part * height} className="small-chart-grid" />
        ))}
        {series.map(({ label: name, color, values }) => (
          <g key={name} stroke={color} fill={color}>
            {runsOf(values).map((run) => (
              <Run key={run[0]?.[0]} run={run} count={values.length} most={most} />
            ))}
          </g>
        ))}
      </svg>
      <Group justify="space-between" wrap="nowrap">
        <Edge time={times[0]} />
        <Edge time={times.at(-1)} />
      </Group>
      <SeriesTable label={label} times={times} series={series} />
    </div>
  );
}

const shown = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const at = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'short' });

const Edge = ({ time }: { readonly time: number | undefined }) => (
  <Text size="xs" c="dimmed">
    {time === undefined ? '' : at.format(time * 1000)}
  </Text>
);

type Point = readonly [place: number, value: number];

/** Where values follow each other; between them nothing is known. */
function runsOf(values: readonly (number | null)[]): readonly (readonly Point[])[] {
  const runs: Point[][] = [[]];
  values.forEach((value, place) => {
    if (value !== null) runs.at(-1)?.push([place, value]);
    else if (runs.at(-1)?.length !== 0) runs.push([]);
  });
  return runs.filter((run) => run.length > 0);
}

interface RunProps {
  readonly run: readonly Point[];
  readonly count: number;
  readonly most: number;
}

function Run({ run, count, most }: RunProps) {
  const x = (place: number) => (count < 2 ? width / 2 : (place / (count - 1)) * width);
  const points = run.map(([place, value]) => [x(place), height - (value / most) * height] as const);
  const [first = [0, 0], last = first] = [points[0], points.at(-1)];
  const line = points.map((point) => point.join(',')).join(' ');
  if (points.length === 1) return <circle cx={first[0]} cy={first[1]} r={4} />;
  return (
    <>
      <polygon points={`${first[0]},${height} ${line} ${last[0]},${height}`} stroke="none" fillOpacity={0.12} />
      <polyline points={line} fill="none" strokeWidth={2} vectorEffect="non-scaling-stroke" />
    </>
  );
}
