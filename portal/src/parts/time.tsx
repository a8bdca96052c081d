/** Times as people say them, with the exact one behind. */
import { Text } from '@mantine/core';

const units: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

/** `3 hours ago`. */
export function ago(at: string | number, now = Date.now()): string {
  const seconds = Math.round((new Date(at).getTime() - now) / 1000);
  const [unit, size] = units.find(([, each]) => Math.abs(seconds) >= each) ?? ['second', 1];
  return relative.format(Math.trunc(seconds / size), unit);
}

export function Time({ at }: { readonly at: string | number | null | undefined }) {
  if (at === null || at === undefined)
    return (
      <Text span size="sm" c="dimmed">
        never
      </Text>
    );
  return (
    <Text span size="sm" component="time" dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>
      {ago(at)}
    </Text>
  );
}
