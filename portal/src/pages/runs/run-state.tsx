/** How a program is. */
import { Badge } from '@mantine/core';
import type { Item } from '#portal/api/hooks.ts';

export type Run = Item<'listRuns'>;

const colors: Readonly<Record<Run['state'], string>> = {
  running: 'green',
  ready: 'blue',
  stopped: 'gray',
  failed: 'red',
};
const texts: Readonly<Record<Run['state'], string>> = {
  running: 'Running',
  ready: 'Starts at the next call',
  stopped: 'Stopped',
  failed: 'Ended by itself',
};

export const RunBadge = ({ state }: { readonly state: Run['state'] }) => (
  <Badge color={colors[state]} variant="light" tt="none">
    {texts[state]}
  </Badge>
);
