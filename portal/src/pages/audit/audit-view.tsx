/** The trail: searched, followed, checked, taken away as a file. */
import { Alert, Badge, Button, Menu, Switch, Text } from '@mantine/core';
import { Download } from 'lucide-react';
import { useState } from 'react';
import { hrefOf } from '#portal/api/client.ts';
import { type List, useList } from '#portal/api/hooks.ts';
import { duration } from '#portal/pages/insight/figures.tsx';
import { PageFrame } from '#portal/parts/page.tsx';
import { type Column, ResourceTable } from '#portal/parts/resource-table.tsx';
import { Empty } from '#portal/parts/states.tsx';
import { Time } from '#portal/parts/time.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { type TrailFilter, useTrailFilter } from './filter.ts';
import { TrailFilters } from './filters.tsx';
import { type TrailRow, useFollowed } from './follow.ts';
import { RowDrawer } from './row-drawer.tsx';
import { Verify } from './verify.tsx';

const columns: readonly Column<TrailRow>[] = [
  { title: 'When', width: 130, cell: ({ at }) => <Time at={at} /> },
  { title: 'Who', cell: (row) => whoOf(row) },
  { title: 'What', cell: (row) => whatOf(row) },
  { title: 'Server', cell: ({ server }) => server ?? '' },
  { title: 'Decision', width: 110, cell: (row) => <Decision row={row} /> },
  { title: 'Status', isNumeric: true, width: 80, cell: ({ status }) => status },
  { title: 'Took', isNumeric: true, width: 90, cell: ({ durationMs }) => duration(durationMs) },
];

const whoOf = ({ who, email, subject, person, principalKind }: TrailRow): string =>
  email ?? who ?? subject ?? person ?? principalKind ?? 'nobody';

export const whatOf = ({ action, target, rpcMethod, name, httpMethod, path }: TrailRow): string =>
  action !== null
    ? `${action}${target === null ? '' : ` ${target}`}`
    : rpcMethod !== null
      ? `${rpcMethod}${name === null ? '' : ` ${name}`}`
      : `${httpMethod} ${path}`;

function Decision({ row: { decision, reason, open } }: { readonly row: TrailRow }) {
  const isAllowed = decision === 'allow';
  return (
    <Badge color={isAllowed ? 'green' : 'red'} variant="light" tt="none" title={reason ?? undefined}>
      {open ? 'under way' : isAllowed ? 'allowed' : 'denied'}
    </Badge>
  );
}

/** `organization`: undefined: all of them, and what is outside of any. */
export function AuditView({ organization }: { readonly organization: string | undefined }) {
  const { filter, clear } = useTrailFilter();
  const [live, setLive] = useUrlState('live');
  const isLive = live !== '';
  const [row, setRow] = useState<TrailRow>();
  const found = useTrail(organization, filter, !isLive);
  const followed = useFollowed(isLive, organization, filter);
  const list: List<TrailRow> = isLive
    ? { ...found, items: followed.rows, isLoading: false, error: null, hasMore: false, isLoadingMore: false }
    : found;
  return (
    <PageFrame
      title={organization === undefined ? 'Audit of the platform' : 'Audit'}
      about="Every call, sign-in, change and refusal, in a chain that shows when a row was altered."
      actions={
        <>
          <Switch
            label="Follow live"
            checked={isLive}
            onChange={({ currentTarget }) => setLive(currentTarget.checked ? '1' : '')}
          />
          <Verify organization={organization} />
          <ExportMenu organization={organization} filter={filter} />
        </>
      }
    >
      <TrailFilters />
      {followed.problem !== undefined && <Alert color="red">{followed.problem} It is tried again.</Alert>}
      {isLive && followed.problem === undefined && (
        <Text size="sm" c="dimmed" role="status">
          Following: what happens appears within seconds.
        </Text>
      )}
      <ResourceTable
        label="Audit"
        list={list}
        columns={columns}
        rowKey={({ id }) => id}
        onOpen={setRow}
        empty={<Nothing isLive={isLive} onClear={Object.keys(filter).length > 0 ? clear : undefined} />}
      />
      <RowDrawer organization={organization} row={row} onClose={() => setRow(undefined)} />
    </PageFrame>
  );
}

interface NothingProps {
  readonly isLive: boolean;
  /** undefined: nothing narrows it. */
  readonly onClear: (() => void) | undefined;
}

function Nothing({ isLive, onClear }: NothingProps) {
  if (isLive) return <Empty title="Nothing has happened yet">Call a tool, or sign in: it appears here.</Empty>;
  const action = onClear && (
    <Button variant="default" size="xs" onClick={onClear}>
      Clear filters
    </Button>
  );
  return (
    <Empty title="Nothing is on record that matches" action={action}>
      Names are matched exactly: a whole address, a server’s key, a tool’s name. Rows appear a second or two after what
      they tell of.
    </Empty>
  );
}

function useTrail(organization: string | undefined, filter: TrailFilter, isOn: boolean): List<TrailRow> {
  const own = useList(
    'listAudit',
    { organization: organization ?? '', ...filter },
    { enabled: isOn && organization !== undefined },
  );
  const all = useList('listPlatformAudit', filter, { enabled: isOn && organization === undefined });
  return organization === undefined ? all : own;
}

interface ExportProps {
  readonly organization: string | undefined;
  readonly filter: TrailFilter;
}

function ExportMenu({ organization, filter }: ExportProps) {
  const href = (format: 'csv' | 'jsonl') =>
    organization === undefined
      ? hrefOf('exportPlatformAudit', { ...filter, format })
      : hrefOf('exportAudit', { organization, ...filter, format });
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="default" leftSection={<Download size={16} aria-hidden />}>
          Export
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>With these filters, a million rows at most</Menu.Label>
        <Menu.Item component="a" href={href('csv')} download>
          CSV for spreadsheets
        </Menu.Item>
        <Menu.Item component="a" href={href('jsonl')} download>
          JSON Lines
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
