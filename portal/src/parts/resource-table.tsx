/**
 * The one table: search and sorting in the address, rows that are drawn as they come into view, and more of them
 * fetched at the end, so that no list is cut off silently.
 */
import { Button, Group, Loader, Skeleton, Table, Text, TextInput, UnstyledButton } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useVirtualizer } from '@tanstack/react-virtual';
import { ChevronDown, ChevronUp, Search } from 'lucide-react';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import type { List } from '#portal/api/hooks.ts';
import { Scrolling } from './scrolling.tsx';
import { ErrorPanel } from './states.tsx';
import { useUrlState } from './url-state.ts';

export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => ReactNode;
  /** As the route's `sort` calls it. */
  readonly sort?: string;
  readonly width?: number | string;
  readonly isNumeric?: boolean;
}

interface TableProps<T> {
  /** For those who can't see it. */
  readonly label: string;
  readonly list: List<T>;
  readonly columns: readonly Column<T>[];
  readonly rowKey: (row: T) => string;
  /** Opens what the row is; a button inside the first cell for the keyboard. */
  readonly onOpen?: (row: T) => void;
  readonly empty: ReactNode;
  /** Shows a search box, whose word is in the address as `search`. */
  readonly searchLabel?: string;
  readonly filters?: ReactNode;
}

/** Below this, all rows are drawn: searching in the page finds them. */
const drawnAtOnce = 120;

export function ResourceTable<T>(props: TableProps<T>) {
  const { list, empty, searchLabel, filters } = props;
  const [search] = useUrlState('search');
  return (
    <div>
      {(searchLabel !== undefined || filters !== undefined) && (
        <Group mb="sm" gap="sm" align="flex-end">
          {searchLabel !== undefined && <SearchBox label={searchLabel} />}
          {filters}
        </Group>
      )}
      {list.error && <ErrorPanel error={list.error} retry={list.reload} />}
      {!list.error && list.isLoading && <Rows />}
      {!list.error && !list.isLoading && list.items.length === 0 && (
        <div>{search === '' ? empty : <Text py="xl">Nothing matches “{search}”.</Text>}</div>
      )}
      {list.items.length > 0 && <Drawn {...props} />}
    </div>
  );
}

function Drawn<T>({ label, list, columns, rowKey, onOpen }: TableProps<T>) {
  const box = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: list.items.length,
    getScrollElement: () => box.current,
    estimateSize: () => 45,
    overscan: 12,
    enabled: list.items.length > drawnAtOnce,
  });
  const isWindowed = list.items.length > drawnAtOnce;
  const visible = rows.getVirtualItems();
  const [first, last] = [visible[0], visible.at(-1)];
  const shown = isWindowed ? list.items.slice(first?.index ?? 0, (last?.index ?? 0) + 1) : list.items;
  const { hasMore, isLoadingMore, loadMore } = list;
  const isNearEnd = isWindowed && (last?.index ?? 0) > list.items.length - 20;
  useEffect(() => {
    if (isNearEnd && hasMore && !isLoadingMore) loadMore();
  }, [isNearEnd, hasMore, isLoadingMore, loadMore]);
  return (
    <Scrolling ref={box} label={label}>
      <Table aria-label={label} stickyHeader>
        <Table.Thead>
          <Table.Tr>
            {columns.map((column) => (
              <Heading key={column.title} column={column} />
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          <Spacer height={isWindowed ? (first?.start ?? 0) : 0} columns={columns.length} />
          {shown.map((row) => (
            <Table.Tr key={rowKey(row)}>
              {columns.map((column, i) => (
                <Table.Td key={column.title} ta={column.isNumeric ? 'right' : undefined}>
                  {i === 0 && onOpen ? (
                    <UnstyledButton className="row-link" onClick={() => onOpen(row)}>
                      {column.cell(row)}
                    </UnstyledButton>
                  ) : (
                    column.cell(row)
                  )}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
          <Spacer height={isWindowed ? rows.getTotalSize() - (last?.end ?? 0) : 0} columns={columns.length} />
        </Table.Tbody>
      </Table>
      {hasMore && (
        <Group justify="center" py="sm">
          <Button variant="default" size="xs" onClick={loadMore} disabled={isLoadingMore}>
            {isLoadingMore ? <Loader size="xs" role="img" aria-label="Loading" /> : 'Show more'}
          </Button>
        </Group>
      )}
    </Scrolling>
  );
}

const Spacer = ({ height, columns }: { readonly height: number; readonly columns: number }) =>
  height <= 0 ? null : (
    <tr aria-hidden>
      <td colSpan={columns} style={{ height, padding: 0 }} />
    </tr>
  );

function Heading<T>({ column }: { readonly column: Column<T> }) {
  const [sort, setSort] = useUrlState('sort');
  const { title, width, isNumeric, sort: name } = column;
  const isOn = name !== undefined && (sort === name || sort === `-${name}`);
  const direction = sort.startsWith('-') ? 'descending' : 'ascending';
  return (
    <Table.Th w={width} ta={isNumeric ? 'right' : undefined} aria-sort={isOn ? direction : undefined}>
      {title === '' && <span className="for-readers">What can be done</span>}
      {name === undefined ? (
        title
      ) : (
        <UnstyledButton fw={600} fz="sm" onClick={() => setSort(sort === name ? `-${name}` : name)}>
          {title}
          {isOn &&
            (direction === 'ascending' ? <ChevronUp size={14} aria-hidden /> : <ChevronDown size={14} aria-hidden />)}
        </UnstyledButton>
      )}
    </Table.Th>
  );
}

function SearchBox({ label }: { readonly label: string }) {
  const [search, setSearch] = useUrlState('search');
  const [typed, setTyped] = useState(search);
  const settle = useDebouncedCallback(setSearch, 250);
  return (
    <TextInput
      aria-label={label}
      placeholder={label}
      leftSection={<Search size={16} aria-hidden />}
      value={typed}
      w={{ base: '100%', sm: 300 }}
      onChange={({ currentTarget: { value } }) => {
        setTyped(value);
        settle(value);
      }}
    />
  );
}

const Rows = () => (
  <div aria-busy="true">
    {[1, 2, 3, 4, 5].map((row) => (
      <Skeleton key={row} h={36} mb={6} />
    ))}
  </div>
);
