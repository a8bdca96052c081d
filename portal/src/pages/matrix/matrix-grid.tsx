// biome-ignore-all lint/a11y/useSemanticElements: a table can't be drawn in part in both directions
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid has the focus and names the active cell
/**
 * The grid itself: only what is in view is drawn, in both directions, so a hundred groups by a thousand servers scroll
 * like ten by ten. One tab stop; arrows move, Enter opens, `a` gives all and Delete takes away.
 */
import './matrix.css';
import { Text, Tooltip } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type KeyboardEvent, useRef, useState } from 'react';
import { BulkMenu } from './bulk-menu.tsx';
import { MatrixCell } from './matrix-cell.tsx';
import { type Access, type Draft, type Granted, type GroupItem, keyOf, type ServerItem } from './model.ts';

const size = { column: 140, row: 44, head: 52 } as const;

interface GridProps {
  readonly groups: readonly GroupItem[];
  readonly servers: readonly ServerItem[];
  readonly granted: Granted;
  readonly draft: Draft;
  readonly canWrite: boolean;
  readonly onOpen: (key: string) => void;
  readonly onSet: (keys: readonly string[], access: Access) => void;
}

interface Place {
  readonly row: number;
  readonly column: number;
}

export function MatrixGrid(props: GridProps) {
  const { groups, servers, granted, draft, canWrite, onOpen, onSet } = props;
  const box = useRef<HTMLDivElement>(null);
  const side = useMediaQuery('(max-width: 48em)') ? 150 : 240;
  const [active, setActive] = useState<Place>({ row: 0, column: 0 });
  const common = { getScrollElement: () => box.current, overscan: 4 };
  const rows = useVirtualizer({ ...common, count: servers.length, estimateSize: () => size.row });
  const columns = useVirtualizer({
    ...{ ...common, horizontal: true, count: groups.length, estimateSize: () => size.column },
    scrollPaddingStart: side,
  });
  const shownColumns = columns.getVirtualItems();
  const width = side + columns.getTotalSize();
  const keyAt = ({ row, column }: Place): string | undefined => {
    const [server, group] = [servers[row], groups[column]];
    return server && group && !group.builtin ? keyOf({ group: group.name, server: server.server }) : undefined;
  };
  const go = (place: Place) => {
    const row = Math.min(Math.max(place.row, 0), servers.length - 1);
    const column = Math.min(Math.max(place.column, 0), groups.length - 1);
    setActive({ row, column });
    rows.scrollToIndex(row);
    columns.scrollToIndex(column);
  };
  const press = (event: KeyboardEvent) => {
    if (event.target !== box.current || event.ctrlKey || event.metaKey || event.altKey) return;
    const move = moves(active, { rows: servers.length, columns: groups.length })[event.key];
    const key = keyAt(active);
    if (move) go(move);
    else if (canWrite && key !== undefined && (event.key === 'Enter' || event.key === ' ')) onOpen(key);
    else if (canWrite && key !== undefined && event.key === 'a') onSet([key], 'all');
    else if (canWrite && key !== undefined && (event.key === 'Delete' || event.key === 'Backspace'))
      onSet([key], 'none');
    else return;
    event.preventDefault();
  };
  return (
    <div
      ref={box}
      className="matrix"
      role="grid"
      aria-label="What groups may use of servers"
      aria-rowcount={servers.length + 1}
      aria-colcount={groups.length + 1}
      aria-activedescendant={`cell-${active.row}-${active.column}`}
      // The cells are reached by arrows.
      tabIndex={0}
      onKeyDown={press}
    >
      <div className="matrix-head" role="row" aria-rowindex={1} style={{ width, height: size.head }}>
        <div className="matrix-corner" role="columnheader" aria-colindex={1} style={{ width: side }}>
          <Text size="xs" c="dimmed">
            Servers ↓ Groups →
          </Text>
        </div>
        <div className="matrix-columns" role="presentation" style={{ width: columns.getTotalSize() }}>
          {shownColumns.map(({ index, start }) => (
            <GroupHead key={index} {...{ ...props, group: groups[index], index, start }} />
          ))}
        </div>
      </div>
      <div role="presentation" style={{ height: rows.getTotalSize(), width, position: 'relative' }}>
        {rows.getVirtualItems().map(({ index, start }) => {
          const server = servers[index];
          if (!server) return null;
          return (
            <div
              key={server.server}
              className="matrix-row"
              role="row"
              aria-rowindex={index + 2}
              style={{ top: start, height: size.row, width }}
            >
              <ServerHead {...{ ...props, server, side }} />
              <div className="matrix-columns" role="presentation" style={{ width: columns.getTotalSize() }}>
                {shownColumns.map((column) => {
                  const group = groups[column.index];
                  if (!group) return null;
                  const place = { row: index, column: column.index };
                  return (
                    <MatrixCell
                      key={group.id}
                      {...{ group, server, granted, draft, canWrite, place }}
                      isActive={active.row === index && active.column === column.index}
                      left={column.start}
                      width={size.column}
                      onPress={() => {
                        setActive(place);
                        const key = keyAt(place);
                        if (canWrite && key !== undefined) onOpen(key);
                      }}
                    />
                  );
                })}
              </div>
            </div>
          );
        })}
      </div>
    </div>
  );
}

const moves = (
  { row, column }: Place,
  { rows, columns }: { readonly rows: number; readonly columns: number },
): Readonly<Record<string, Place>> => ({
  ArrowUp: { row: row - 1, column },
  ArrowDown: { row: row + 1, column },
  ArrowLeft: { row, column: column - 1 },
  ArrowRight: { row, column: column + 1 },
  PageUp: { row: row - 10, column },
  PageDown: { row: row + 10, column },
  Home: { row, column: 0 },
  End: { row, column: columns - 1 },
  '<': { row: 0, column },
  '>': { row: rows - 1, column },
});

interface GroupHeadProps extends GridProps {
  readonly group: GroupItem | undefined;
  readonly index: number;
  readonly start: number;
}

function GroupHead({ group, index, start, servers, canWrite, onSet }: GroupHeadProps) {
  if (!group) return null;
  const { name, title, members, builtin } = group;
  const set = (access: Access) =>
    onSet(
      servers.map(({ server }) => keyOf({ group: name, server })),
      access,
    );
  return (
    <div
      className="matrix-column"
      role="columnheader"
      aria-colindex={index + 2}
      style={{ left: start, width: size.column }}
    >
      <Tooltip label={`${title === '' ? name : title}, ${members} members`}>
        <Text size="sm" fw={600} lh={1.2} lineClamp={2} style={{ overflowWrap: 'anywhere' }}>
          {name}
        </Text>
      </Tooltip>
      {canWrite && !builtin && <BulkMenu of={name} count={servers.length} what="servers" onSet={set} />}
    </div>
  );
}

interface ServerHeadProps extends GridProps {
  readonly server: ServerItem;
  readonly side: number;
}

function ServerHead({ server, side, groups, canWrite, onSet }: ServerHeadProps) {
  const open = groups.filter(({ builtin }) => !builtin);
  const set = (access: Access) =>
    onSet(
      open.map(({ name }) => keyOf({ group: name, server: server.server })),
      access,
    );
  const state = server.enablement?.allMembers ? 'every member' : server.enablement?.enabled ? '' : 'switched off';
  return (
    <div className="matrix-side" role="rowheader" aria-colindex={1} style={{ width: side }}>
      <div className="matrix-side-text">
        <Text size="sm" fw={500} truncate title={server.title}>
          {server.server}
        </Text>
        {state !== '' && (
          <Text size="xs" c="dimmed" truncate>
            {state}
          </Text>
        )}
      </div>
      {canWrite && <BulkMenu of={server.server} count={open.length} what="groups" onSet={set} />}
    </div>
  );
}
