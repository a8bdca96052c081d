/** What a draft means, group by group, before it is saved. */
import { Alert, Badge, Button, Group, List, Modal, Progress, Stack, Text, Title } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { call } from '#portal/api/client.ts';
import { messageOf, say } from '#portal/api/hooks.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { type Change, effectOf, type GroupItem } from './model.ts';

interface ReviewProps {
  readonly opened: boolean;
  readonly changes: readonly Change[];
  readonly groups: readonly GroupItem[];
  readonly onSaved: (keys: readonly string[]) => void;
  readonly onClose: () => void;
}

interface Failed {
  readonly change: Change;
  readonly why: string;
}

/** Of a large change, so many are written out. */
const shownAtMost = 200;

export function Review({ opened, changes, groups, onSaved, onClose }: ReviewProps) {
  const { save, done, failed, isBusy } = useSaving(changes, onSaved, onClose);
  const names = [...new Set(changes.map(({ cell }) => cell.group))];
  const shown = changes.slice(0, shownAtMost);
  const people = groups.filter(({ name }) => names.includes(name)).reduce((sum, { members }) => sum + members, 0);
  return (
    <Modal opened={opened} onClose={isBusy ? () => undefined : onClose} title="Who gains and loses what" size="xl">
      <Stack>
        <Text size="sm">
          {changes.length === 1 ? 'One change' : `${changes.length} changes`} for {names.length}{' '}
          {names.length === 1 ? 'group' : 'groups'} ({people} members). It takes effect within a second of saving.
        </Text>
        {names
          .filter((name) => shown.some(({ cell }) => cell.group === name))
          .map((name) => (
            <OfGroup
              key={name}
              name={name}
              members={groups.find((group) => group.name === name)?.members ?? 0}
              changes={shown.filter(({ cell }) => cell.group === name)}
            />
          ))}
        {changes.length > shown.length && <Text size="sm">And {changes.length - shown.length} more of this kind.</Text>}
        {failed.length > 0 && (
          <Alert color="red" title="These were refused, and are still to be saved" role="alert">
            {failed.slice(0, 20).map(({ change, why }) => (
              <Text key={change.key} size="sm">
                {change.cell.server} for {change.cell.group}: {why}
              </Text>
            ))}
          </Alert>
        )}
        {isBusy && <Progress value={(done / Math.max(1, changes.length)) * 100} aria-label="Saving" />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose} disabled={isBusy}>
            Not yet
          </Button>
          <Button onClick={() => void save()} loading={isBusy} disabled={changes.length === 0}>
            Save {changes.length === 1 ? 'it' : `all ${changes.length}`}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function useSaving(changes: readonly Change[], onSaved: ReviewProps['onSaved'], onClose: () => void) {
  const organization = useOrganization();
  const client = useQueryClient();
  const [done, setDone] = useState(0);
  const [failed, setFailed] = useState<readonly Failed[]>([]);
  const [isBusy, setBusy] = useState(false);
  const save = async () => {
    setBusy(true);
    setDone(0);
    const refused: Failed[] = [];
    const saved: string[] = [];
    for (const change of changes) {
      try {
        await write(organization, change);
        saved.push(change.key);
      } catch (error) {
        refused.push({ change, why: messageOf(error) });
      }
      setDone((before) => before + 1);
    }
    await Promise.all(['listGrants', 'getGroup'].map((name) => client.invalidateQueries({ queryKey: [name] })));
    setBusy(false);
    setFailed(refused);
    onSaved(saved);
    if (saved.length > 0) say(saved.length === 1 ? 'The change was saved' : `${saved.length} changes were saved`);
    if (refused.length === 0) onClose();
  };
  return { save, done, failed, isBusy };
}

async function write(organization: string, { cell, after, grant }: Change): Promise<void> {
  if (after === 'none') {
    if (grant) await call('removeGrant', { organization, id: grant.id });
    return;
  }
  await call('putGrant', { organization, ...cell, ...(after !== 'all' && { tools: [...after] }) });
}

interface OfGroupProps {
  readonly name: string;
  readonly members: number;
  readonly changes: readonly Change[];
}

const OfGroup = ({ name, members, changes }: OfGroupProps) => (
  <div>
    <Title order={3} size="h6">
      {name}{' '}
      <Text span size="xs" c="dimmed">
        {members === 1 ? '1 member' : `${members} members`}
      </Text>
    </Title>
    <List size="sm" listStyleType="none">
      {changes.map((change) => {
        const { gains, loses } = effectOf(change);
        return (
          <List.Item key={change.key}>
            {gains !== undefined && (
              <>
                <Badge size="sm" color="green" variant="light">
                  gains
                </Badge>{' '}
                {gains} of {change.cell.server}{' '}
              </>
            )}
            {loses !== undefined && (
              <>
                <Badge size="sm" color="red" variant="light">
                  loses
                </Badge>{' '}
                {loses} of {change.cell.server}
              </>
            )}
          </List.Item>
        );
      })}
    </List>
  </div>
);
