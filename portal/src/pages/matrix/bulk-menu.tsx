/** A whole row or column at once. */
import { ActionIcon, Menu } from '@mantine/core';
import { EllipsisVertical } from 'lucide-react';
import type { Access } from './model.ts';

interface BulkProps {
  readonly of: string;
  readonly count: number;
  readonly what: 'servers' | 'groups';
  readonly onSet: (access: Access) => void;
}

export function BulkMenu({ of, count, what, onSet }: BulkProps) {
  const shown = what === 'servers' ? `${of} gets` : 'Everybody in';
  const all =
    what === 'servers' ? `${of} gets all of the ${count} servers shown` : `All ${count} groups shown get ${of}`;
  const none =
    what === 'servers'
      ? `${of} gets none of the ${count} servers shown`
      : `None of the ${count} groups shown gets ${of}`;
  return (
    <Menu withinPortal position="bottom-end">
      <Menu.Target>
        <ActionIcon size="sm" variant="subtle" color="gray" aria-label={`Change all of ${of}`} title={shown}>
          <EllipsisVertical size={14} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => onSet('all')}>{all}</Menu.Item>
        <Menu.Item onClick={() => onSet('none')}>{none}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
