// biome-ignore-all lint/a11y/useSemanticElements: a table can't be drawn in part in both directions
// biome-ignore-all lint/a11y/useFocusableInteractive: the grid has the focus and names the active cell
// biome-ignore-all lint/a11y/useKeyWithClickEvents: the grid hears the keys
/** One group at one server: nothing, everything, or some tools. */
import { useRoute } from '#portal/api/hooks.ts';
import { useOrganization } from '#portal/shell/organization.ts';
import { type Access, type Draft, type Granted, type GroupItem, keyOf, type ServerItem, shownAccess } from './model.ts';

interface CellProps {
  readonly group: GroupItem;
  readonly server: ServerItem;
  readonly granted: Granted;
  readonly draft: Draft;
  readonly canWrite: boolean;
  readonly place: { readonly row: number; readonly column: number };
  readonly isActive: boolean;
  readonly left: number;
  readonly width: number;
  readonly onPress: () => void;
}

export function MatrixCell(props: CellProps) {
  const { group, server, granted, draft, canWrite, place, isActive, left, width, onPress } = props;
  const key = keyOf({ group: group.name, server: server.server });
  const access: Access = group.builtin ? 'all' : shownAccess(key, granted, draft);
  const isSome = typeof access !== 'string';
  const isChanged = draft.has(key);
  return (
    <div
      id={`cell-${place.row}-${place.column}`}
      className="matrix-cell"
      role="gridcell"
      aria-colindex={place.column + 2}
      aria-readonly={!canWrite || group.builtin}
      aria-selected={isActive}
      data-access={isSome ? 'some' : access}
      data-active={isActive}
      data-changed={isChanged}
      style={{ left, width }}
      onClick={onPress}
    >
      <span className="for-readers">
        {server.server} for {group.name}:
      </span>
      {isSome ? <SomeTools server={server.server} count={access.length} /> : access === 'all' ? 'All' : <None />}
      {isChanged && <span className="for-readers">, not saved yet</span>}
    </div>
  );
}

const None = () => (
  <>
    <span aria-hidden>–</span>
    <span className="for-readers">none</span>
  </>
);

/** How many there are is asked only for those in view. */
function SomeTools({ server, count }: { readonly server: string; readonly count: number }) {
  const organization = useOrganization();
  const { data } = useRoute('listServerTools', { organization, server, limit: 1000 });
  const known = data?.items.length ?? 0;
  if (known >= count) return `${count} of ${known}`;
  return count === 1 ? '1 tool' : `${count} tools`;
}
