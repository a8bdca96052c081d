/** How a server is, in a word and a colour. */
import { Badge, Text } from '@mantine/core';
import type { Item } from '#portal/api/hooks.ts';
import { Time } from '#portal/parts/time.tsx';

export type Health = Item<'listOrganizationHealth'>;
type State = Health['state'] | 'off' | 'unknown';

const states: Readonly<Record<State, { readonly color: string; readonly text: string }>> = {
  well: { color: 'green', text: 'Well' },
  degraded: { color: 'yellow', text: 'Degraded' },
  failing: { color: 'red', text: 'Failing' },
  unused: { color: 'gray', text: 'Not called yet' },
  off: { color: 'gray', text: 'Off' },
  unknown: { color: 'gray', text: 'Unknown' },
};

export function StateBadge({ state }: { readonly state: State }) {
  const { color, text } = states[state];
  return (
    <Badge color={color} variant="light" tt="none" miw="max-content">
      {text}
    </Badge>
  );
}

/** `status 503, 3 minutes ago`. */
export function LastFailure({ failure }: { readonly failure: Health['lastFailure'] | undefined }) {
  if (!failure) return <Text c="dimmed">none</Text>;
  return (
    <Text size="sm">
      {/^\d+$/.test(failure.reason) ? `status ${failure.reason}` : failure.reason.replaceAll('_', ' ')},{' '}
      <Time at={failure.at} />
    </Text>
  );
}

const kinds: Readonly<Record<string, string>> = {
  http: 'HTTP',
  sse: 'HTTP+SSE',
  stdio: 'Program',
  process: 'Program (HTTP)',
  container: 'Container',
  openapi: 'OpenAPI',
  builtin: 'Built in',
};
export const kindName = (kind: string): string => kinds[kind] ?? kind;
