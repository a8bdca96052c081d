/** Usage by what it is grouped by, the most used first. */
import { Anchor, Progress, Text } from '@mantine/core';
import { Link } from 'wouter';
import type { RouteInput } from '#portal/api/client.ts';
import { type List, useRoute } from '#portal/api/hooks.ts';
import type { UsageLine } from '#portal/pages/insight/drawn.ts';
import { bytes, count, duration, share } from '#portal/pages/insight/figures.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import type { GroupName } from './usage-page.tsx';

interface GroupedProps {
  readonly narrowed: RouteInput<'getUsage'>;
  readonly by: GroupName;
}

const titles: Readonly<Record<GroupName, string>> = {
  ...{ tool: 'Tool', server: 'Server', user: 'Person', status: 'HTTP status', endpoint: 'Endpoint' },
};

export function GroupedUsage({ narrowed, by }: GroupedProps) {
  const organization = useOrganization();
  const [, setServer] = useUrlState('server');
  const [, setTool] = useUrlState('tool');
  const [, setUser] = useUrlState('user');
  const setters: Partial<Record<GroupName, (value: string) => void>> = {
    server: setServer,
    tool: setTool,
    user: setUser,
  };
  const setOne = setters[by];
  const query = useRoute('getUsage', { ...narrowed, by, limit: 1000 });
  const items = query.data?.items ?? [];
  const most = Math.max(1, ...items.map(({ calls }) => calls));
  const list: List<UsageLine> = {
    ...{ items, isLoading: query.isPending, error: query.error, hasMore: false, isLoadingMore: false },
    ...{ loadMore: () => undefined, reload: () => void query.refetch() },
  };
  const logged = by === 'user' ? 'person' : by;
  const columns: readonly Column<UsageLine>[] = [
    { title: titles[by], cell: ({ group }) => <Name value={group[by]} /> },
    { title: 'Calls', isNumeric: true, cell: ({ calls }) => count(calls) },
    {
      title: 'Share',
      width: 120,
      cell: ({ calls, group }) => (
        <Progress value={(calls / most) * 100} aria-label={`Share of ${group[by] ?? 'none'}`} />
      ),
    },
    { title: 'Failed', isNumeric: true, cell: ({ calls, failures }) => share(failures, calls) },
    { title: 'p50', isNumeric: true, cell: ({ p50Ms }) => duration(p50Ms) },
    { title: 'p95', isNumeric: true, cell: ({ p95Ms }) => duration(p95Ms) },
    { title: 'Data', isNumeric: true, cell: ({ bytesIn, bytesOut }) => bytes(bytesIn + bytesOut) },
    {
      title: 'Log',
      cell: ({ group }) =>
        by === 'status' || by === 'endpoint' || group[by] === null ? null : (
          <Anchor
            component={Link}
            size="sm"
            href={`/o/${organization}/audit?${logged}=${encodeURIComponent(String(group[by]))}`}
            aria-label={`Log of ${group[by]}`}
          >
            Log
          </Anchor>
        ),
    },
  ];
  return (
    <>
      <ResourceTable
        label={`Usage by ${titles[by].toLowerCase()}`}
        list={list}
        columns={columns}
        rowKey={({ group }) => String(group[by])}
        {...(setOne && { onOpen: ({ group }: UsageLine) => setOne(String(group[by] ?? '')) })}
        empty={
          <Empty title="Nothing was called in this time">
            Choose a longer time range, or take away what narrows it above. Figures appear a few seconds after a call.
          </Empty>
        }
      />
      {items.length >= 1000 && <Text size="sm">The 1,000 most used are shown: narrow it to see others.</Text>}
    </>
  );
}

const Name = ({ value }: { readonly value: string | number | null | undefined }) =>
  value === null || value === undefined ? (
    <Text span size="sm" c="dimmed">
      none
    </Text>
  ) : (
    String(value)
  );
