/** What waits for somebody: requests for access, changed tools, servers that fail. */
import { Anchor, Badge, Group, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { Link } from 'wouter';
import { useList, useRoute } from '#portal/api/hooks.ts';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { Panel } from '#portal/pages/insight/figures.tsx';
import { useOrganization } from '#portal/shell/organization.ts';

/** Asked for at most; more are shown as `50+`. */
const limit = 50;

export function Needs() {
  const organization = useOrganization();
  const session = useSession();
  const may = (permission: string) => isAllowed(session, permission, organization);
  const requests = useList(
    'listAccessRequests',
    { organization, state: 'open', limit },
    { enabled: may('admin:requests:read') },
  );
  const pins = useRoute('listPins', { organization, state: 'waiting', limit }, { enabled: may('admin:pins:read') });
  const health = useRoute('listServerHealth', { sort: 'state', limit: 200 }, { enabled: session.isPlatform });
  const ailing = health.data?.items.filter(
    ({ state, organization: own }) =>
      (state === 'failing' || state === 'degraded') && (own === null || own === organizationId(session, organization)),
  );
  const lines: ReactNode[] = [];
  if (requests.items.length > 0)
    lines.push(
      <Need key="requests" badge={many(requests.items.length, requests.hasMore)} href={`/o/${organization}/requests`}>
        {requests.items.length === 1 ? 'request for access waits' : 'requests for access wait'}
      </Need>,
    );
  const waiting = pins.data?.items.length ?? 0;
  if (waiting > 0)
    lines.push(
      <Need key="pins" badge={many(waiting, pins.data?.next !== null)} href={`/o/${organization}/pins`}>
        {waiting === 1 ? 'tool has a changed definition' : 'tools have changed definitions'}
      </Need>,
    );
  for (const { key, state } of (ailing ?? []).slice(0, 5))
    lines.push(
      <Need key={key} badge={state} color="red" href="/health">
        {`server ${key}`}
      </Need>,
    );
  if (lines.length === 0) return null;
  return <Panel title="Needs somebody">{lines}</Panel>;
}

const organizationId = (session: ReturnType<typeof useSession>, slug: string): string | undefined =>
  session.organizations.find((organization) => organization.slug === slug)?.id;

const many = (found: number, isMore: boolean | undefined): string => `${found}${isMore ? '+' : ''}`;

interface NeedProps {
  readonly badge: string;
  readonly color?: string;
  readonly href: string;
  readonly children: string;
}

const Need = ({ badge, color = 'orange', href, children }: NeedProps) => (
  <Group gap="xs" py={3} wrap="nowrap">
    <Badge color={color} variant="light" tt="none">
      {badge}
    </Badge>
    <Text size="sm">
      <Anchor component={Link} href={href} size="sm">
        {children}
      </Anchor>
    </Text>
  </Group>
);
