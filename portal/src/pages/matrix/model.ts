/** What groups are given of servers, what is to be changed of it, and what that means. */
import type { Item } from '#portal/api/hooks.ts';

export type GroupItem = Item<'listGroups'>;
export type ServerItem = Item<'listOrganizationServers'>;
export type GrantItem = Item<'listGrants'>;

/** `all`: also tools that it gets later. A list: the server's own names. */
export type Access = 'none' | 'all' | readonly string[];

export interface Cell {
  readonly group: string;
  readonly server: string;
}

export const keyOf = ({ group, server }: Cell): string => `${group}\n${server}`;
export const cellOf = (key: string): Cell => {
  const [group = '', server = ''] = key.split('\n');
  return { group, server };
};

export type Granted = ReadonlyMap<string, GrantItem>;
export type Draft = ReadonlyMap<string, Access>;

export function grantedOf(grants: readonly GrantItem[]): Granted {
  return new Map(
    grants.flatMap((grant) => {
      const { group, server } = grant;
      return group !== null && server !== null ? [[keyOf({ group, server }), grant] as const] : [];
    }),
  );
}

export function accessOf(grant: GrantItem | undefined): Access {
  if (!grant) return 'none';
  return grant.tools ?? 'all';
}

export const shownAccess = (key: string, granted: Granted, draft: Draft): Access =>
  draft.get(key) ?? accessOf(granted.get(key));

/** A draft with these cells changed; what is as it was is no change. */
export function drafted(
  draft: Draft,
  { keys, access, granted }: { readonly keys: readonly string[]; readonly access: Access; readonly granted: Granted },
): Draft {
  const next = new Map(draft);
  for (const key of keys) {
    if (isSame(access, accessOf(granted.get(key)))) next.delete(key);
    else next.set(key, access);
  }
  return next;
}

export function isSame(a: Access, b: Access): boolean {
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  return [...a].sort().join('\n') === [...b].sort().join('\n');
}

export interface Change {
  readonly key: string;
  readonly cell: Cell;
  readonly before: Access;
  readonly after: Access;
  /** undefined: nothing is granted yet. */
  readonly grant: GrantItem | undefined;
}

export function changesOf(draft: Draft, granted: Granted): readonly Change[] {
  return [...draft]
    .map(([key, after]) => {
      const grant = granted.get(key);
      return { key, cell: cellOf(key), before: accessOf(grant), after, grant };
    })
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

/** In words: what a group gets and loses by a change. */
export function effectOf({ before, after }: Pick<Change, 'before' | 'after'>): {
  readonly gains: string | undefined;
  readonly loses: string | undefined;
} {
  if (after === 'none') return { gains: undefined, loses: before === 'all' ? 'every tool' : toolList(before) };
  if (after === 'all') return { gains: before === 'none' ? 'every tool' : 'every other tool', loses: undefined };
  if (before === 'all') return { gains: undefined, loses: `every tool but ${toolList(after)}` };
  const had = before === 'none' ? [] : before;
  const gained = after.filter((tool) => !had.includes(tool));
  const lost = had.filter((tool) => !after.includes(tool));
  return {
    gains: gained.length > 0 ? toolList(gained) : undefined,
    loses: lost.length > 0 ? toolList(lost) : undefined,
  };
}

function toolList(tools: Access): string {
  if (typeof tools === 'string') return tools;
  if (tools.length <= 4) return tools.join(', ');
  return `${tools.slice(0, 3).join(', ')} and ${tools.length - 3} more`;
}

const has = (word: string, ...texts: readonly string[]): boolean =>
  word === '' || texts.some((text) => text.toLowerCase().includes(word.toLowerCase()));

export const groupsMatching = (groups: readonly GroupItem[], word: string): readonly GroupItem[] =>
  groups.filter(({ name, title }) => has(word, name, title));
/** Of two by one key, the organization's own is meant. */
export const serversMatching = (servers: readonly ServerItem[], word: string): readonly ServerItem[] =>
  servers.filter(
    ({ server, title, own }) =>
      has(word, server, title) && (own || !servers.some((other) => other.own && other.server === server)),
  );
