/** Groups against tools: each cell says yes, not given, or refused by a policy. */
import { Group, Loader, Table, Text, TextInput } from '@mantine/core';
import { useVirtualizer } from '@tanstack/react-virtual';
import { Ban, Check, Minus } from 'lucide-react';
import { useRef, useState } from 'react';
import { useRoute } from '#portal/api/hooks.ts';
import { PickServer } from '#portal/parts/pick.tsx';
import { Scrolling } from '#portal/parts/scrolling.tsx';
import { Empty, ErrorPanel } from '#portal/parts/states.tsx';
import { useUrlState } from '#portal/parts/url-state.ts';
import { useOrganization } from '#portal/shell/organization.ts';

export function PolicyMatrix() {
  const organization = useOrganization();
  const [server, setServer] = useUrlState('server');
  const [word, setWord] = useState('');
  const { data, error, isPending, refetch } = useRoute('showPolicyMatrix', {
    organization,
    ...(server !== '' && { server }),
  });
  const rows = (data?.rows ?? []).filter(({ endpoint, tool }) => `${endpoint} ${tool}`.includes(word.trim()));
  return (
    <div>
      <Group align="flex-end" gap="sm" mb="sm">
        <PickServer
          label="Server"
          placeholder="all"
          value={server === '' ? null : server}
          onChange={(key) => setServer(key ?? '')}
          clearable
        />
        <TextInput label="Tool" value={word} onChange={({ currentTarget }) => setWord(currentTarget.value)} />
      </Group>
      {error && <ErrorPanel error={error} retry={() => void refetch()} />}
      {isPending && !error && <Loader role="img" aria-label="Loading" />}
      {data && rows.length === 0 && (
        <Empty title="Nothing to show">Rows are tools of servers that are enabled. Enable one first.</Empty>
      )}
      {data && rows.length > 0 && <Cells groups={data.groups} rows={rows} />}
    </div>
  );
}

interface CellsProps {
  readonly groups: readonly string[];
  readonly rows: readonly {
    readonly endpoint: string;
    readonly tool: string;
    readonly cells: readonly ('yes' | 'grant' | 'policy')[];
  }[];
}

/** Rows are drawn as they come into view. */
function Cells({ groups, rows }: CellsProps) {
  const box = useRef<HTMLDivElement>(null);
  const drawn = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => 37,
    overscan: 20,
  });
  const visible = drawn.getVirtualItems();
  const [first, last] = [visible[0], visible.at(-1)];
  const after = drawn.getTotalSize() - (last?.end ?? 0);
  return (
    <Scrolling ref={box} label="Groups by tools">
      <Table aria-label="Groups by tools" stickyHeader withColumnBorders>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Tool</Table.Th>
            {groups.map((group) => (
              <Table.Th key={group}>{group}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {(first?.start ?? 0) > 0 && (
            <tr aria-hidden>
              <td colSpan={groups.length + 1} style={{ height: first?.start ?? 0, padding: 0 }} />
            </tr>
          )}
          {visible.map(({ index, key }) => {
            const row = rows[index];
            return row ? (
              <Table.Tr key={key}>
                <Table.Td>
                  <Text size="sm">{row.tool === '*' ? 'any other tool' : row.tool}</Text>
                  <Text size="xs" c="dimmed">
                    {row.endpoint}
                  </Text>
                </Table.Td>
                {row.cells.map((cell, i) => (
                  <Table.Td key={groups[i]}>
                    <Cell cell={cell} />
                  </Table.Td>
                ))}
              </Table.Tr>
            ) : null;
          })}
          {after > 0 && (
            <tr aria-hidden>
              <td colSpan={groups.length + 1} style={{ height: after, padding: 0 }} />
            </tr>
          )}
        </Table.Tbody>
      </Table>
    </Scrolling>
  );
}

const kinds = {
  yes: { icon: <Check size={15} aria-hidden />, text: 'yes', color: undefined },
  grant: { icon: <Minus size={15} aria-hidden />, text: 'not given', color: 'dimmed' },
  policy: { icon: <Ban size={15} aria-hidden />, text: 'policy', color: 'var(--mantine-color-error)' },
} as const;

const Cell = ({ cell }: { readonly cell: keyof typeof kinds }) => (
  <Text size="sm" c={kinds[cell].color} component="span" className="cell">
    {kinds[cell].icon} {kinds[cell].text}
  </Text>
);
