/** Groups & Servers: who gets which tools, in one table that is changed in place and saved as a whole. */
import { Anchor, Button, Group, Paper, Skeleton, Text, TextInput } from '@mantine/core';
import { Search } from 'lucide-react';
import { useEffect, useMemo, useState } from 'react';
import { Link } from 'wouter';
import { isAllowed, useSession } from '#portal/api/session.tsx';
import { useAll } from '#portal/api/use-all.ts';
import { PageFrame } from '#portal/parts/page.tsx';
import { Empty, ErrorPanel } from '#portal/parts/states.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { CellEditor } from './cell-editor.tsx';
import { MatrixGrid } from './matrix-grid.tsx';
import {
  type Access,
  cellOf,
  changesOf,
  type Draft,
  drafted,
  grantedOf,
  groupsMatching,
  serversMatching,
  shownAccess,
} from './model.ts';
import { Review } from './review.tsx';

export function Page() {
  return (
    <PageFrame
      title="Groups & Servers"
      about="Which group may use which tools of which server. Click a cell, or move with the arrows and press Enter; nothing is saved until you say so."
    >
      <Matrix />
    </PageFrame>
  );
}

function Matrix() {
  const organization = useOrganization();
  const canWrite = isAllowed(useSession(), 'admin:grants:write', organization);
  const groups = useAll('listGroups', { organization, limit: 1000 });
  const servers = useAll('listOrganizationServers', { organization, limit: 1000, enabled: 'true', sort: 'server' });
  const grants = useAll('listGrants', { organization, limit: 1000 });
  const [groupWord] = useUrlState('group');
  const [serverWord] = useUrlState('server');
  const [draft, setDraft] = useState<Draft>(new Map());
  const [open, setOpen] = useState<string>();
  const [isReviewing, setReviewing] = useState(false);
  useLeaveWarning(draft.size > 0);
  const granted = grantedOf(grants.items);
  const shownGroups = useMemo(() => groupsMatching(groups.items, groupWord), [groups.items, groupWord]);
  const shownServers = useMemo(() => serversMatching(servers.items, serverWord), [servers.items, serverWord]);
  const failed = [groups, servers, grants].find(({ error }) => error !== null);
  if (failed) return <ErrorPanel error={failed.error} retry={failed.reload} />;
  if (!groups.isComplete || !servers.isComplete || !grants.isComplete) return <Skeleton h={320} aria-busy="true" />;
  if (groups.items.length === 0 || servers.items.length === 0)
    return <NothingYet hasGroups={groups.items.length > 0} />;
  const set = (keys: readonly string[], access: Access) =>
    setDraft((before) => drafted(before, { keys, access, granted }));
  const changes = changesOf(draft, granted);
  return (
    <>
      <Group gap="sm" align="flex-end">
        <Filter name="server" label="Filter servers" />
        <Filter name="group" label="Filter groups" />
        <Text size="sm" c="dimmed">
          {shownServers.length} {shownServers.length === 1 ? 'server' : 'servers'}, {shownGroups.length}{' '}
          {shownGroups.length === 1 ? 'group' : 'groups'}
        </Text>
      </Group>
      {shownGroups.length === 0 || shownServers.length === 0 ? (
        <Text py="xl">Nothing matches.</Text>
      ) : (
        <MatrixGrid
          {...{ granted, draft, canWrite, onOpen: setOpen, onSet: set }}
          groups={shownGroups}
          servers={shownServers}
        />
      )}
      {draft.size > 0 && (
        <Unsaved count={draft.size} onForget={() => setDraft(new Map())} onReview={() => setReviewing(true)} />
      )}
      <CellEditor
        cell={open === undefined ? undefined : cellOf(open)}
        access={open === undefined ? 'none' : shownAccess(open, granted, draft)}
        onSet={(access) => open !== undefined && set([open], access)}
        onClose={() => setOpen(undefined)}
      />
      <Review
        opened={isReviewing}
        changes={changes}
        groups={groups.items}
        onSaved={(keys) => setDraft((before) => new Map([...before].filter(([key]) => !keys.includes(key))))}
        onClose={() => setReviewing(false)}
      />
    </>
  );
}

function Filter({ name, label }: { readonly name: string; readonly label: string }) {
  const [word, setWord] = useUrlState(name);
  return (
    <TextInput
      aria-label={label}
      placeholder={label}
      leftSection={<Search size={16} aria-hidden />}
      value={word}
      w={{ base: '100%', xs: 220 }}
      onChange={({ currentTarget }) => setWord(currentTarget.value)}
    />
  );
}

function NothingYet({ hasGroups }: { readonly hasGroups: boolean }) {
  const organization = useOrganization();
  return (
    <Empty
      title={hasGroups ? 'No server is enabled yet' : 'No group yet'}
      action={
        <Anchor
          component={Link}
          href={hasGroups ? `/o/${organization}/servers` : `/o/${organization}/people?tab=groups`}
        >
          {hasGroups ? 'Add a server' : 'Make a group'}
        </Anchor>
      }
    >
      Here groups meet servers: a group gets all, none or some of the tools of each server that is enabled.
    </Empty>
  );
}

function useLeaveWarning(isOn: boolean): void {
  useEffect(() => {
    if (!isOn) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener('beforeunload', warn);
    return () => window.removeEventListener('beforeunload', warn);
  }, [isOn]);
}

interface UnsavedProps {
  readonly count: number;
  readonly onForget: () => void;
  readonly onReview: () => void;
}

const Unsaved = ({ count, onForget, onReview }: UnsavedProps) => (
  <Paper withBorder p="sm" pos="sticky" bottom={8}>
    <Group justify="space-between">
      <Text size="sm" fw={600} aria-live="polite">
        {count === 1 ? 'One change is' : `${count} changes are`} not saved yet
      </Text>
      <Group gap="xs">
        <Button variant="default" onClick={onForget}>
          Forget them
        </Button>
        <Button onClick={onReview}>Review and save</Button>
      </Group>
    </Group>
  </Paper>
);
