/** Spans of time that figures are looked at over, in the address as `span`. */
import { useMemo } from 'react';
import { useUrlState } from '#portal/parts/url-state.ts';

export interface Span {
  readonly name: string;
  readonly label: string;
  readonly ms: number;
  /** Buckets of a chart. */
  readonly every: 'minute' | 'hour' | 'day' | 'week';
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

export const spans: readonly Span[] = [
  { name: '1h', label: 'Last hour', ms: hourMs, every: 'minute' },
  { name: '24h', label: 'Last 24 hours', ms: dayMs, every: 'hour' },
  { name: '7d', label: 'Last 7 days', ms: 7 * dayMs, every: 'hour' },
  { name: '30d', label: 'Last 30 days', ms: 30 * dayMs, every: 'day' },
  { name: '90d', label: 'Last 90 days', ms: 90 * dayMs, every: 'day' },
  { name: '1y', label: 'Last year', ms: 365 * dayMs, every: 'week' },
];

export const spanOf = (name: string): Span => spans.find((span) => span.name === name) ?? (spans[1] as Span);

/** `since` stays while the page does, so that nothing is asked twice. */
export function useSpan(): { readonly span: Span; readonly since: string; readonly setSpan: (name: string) => void } {
  const [name, setSpan] = useUrlState('span');
  const span = spanOf(name);
  const since = useMemo(() => beginning(span, Date.now()).toISOString(), [span]);
  return { span, since, setSpan };
}

const bucketMs = { minute: 60_000, hour: hourMs, day: dayMs, week: 7 * dayMs } as const;

/** Of the first whole bucket (UTC; weeks begin on Monday). */
function beginning({ ms, every }: Span, now: number): Date {
  return new Date(floored(now - ms, every));
}

/** 1970-01-05 was a Monday. */
const mondayMs = 4 * dayMs;

function floored(ms: number, every: Span['every']): number {
  const size = bucketMs[every];
  const offset = every === 'week' ? mondayMs : 0;
  return Math.floor((ms - offset) / size) * size + offset;
}

/** The beginnings of all buckets, Unix seconds, also of those in which nothing happened. */
export function bucketsOf({ every }: Span, since: string): readonly number[] {
  const times: number[] = [];
  const end = Date.now();
  for (let at = floored(Date.parse(since), every); at <= end && times.length < 1000; at += bucketMs[every])
    times.push(at / 1000);
  return times;
}
