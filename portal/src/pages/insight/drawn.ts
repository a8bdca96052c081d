/** Lines of the usage report as charts draw them: each time of the span has its place, also where nothing was called. */
import type { Item } from '#portal/api/hooks.ts';
import { bucketsOf, type Span } from './span.ts';

export type UsageLine = Item<'getUsage'>;

export interface ChartsProps {
  readonly lines: readonly UsageLine[];
  readonly span: Span;
  readonly since: string;
}

export function drawn(lines: readonly UsageLine[], span: Span, since: string) {
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
