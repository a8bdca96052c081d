/**
 * Every column of the schema that holds something sealed. Whoever adds one adds a line here: what is not listed would be
 * forgotten by a rotation, and a test compares the list to the schema.
 */
export type SealedColumn = VaultColumn | RootColumn | BriefColumn;

/** Sealed with its organization's data key for `{table, column, rowId}` (vault.ts). The table has `org_id`. */
export interface VaultColumn {
  readonly by: 'vault';
  readonly table: string;
  readonly column: string;
  /** Column whose text is the place's `rowId`. */
  readonly id: string;
}

/** Sealed with a key derived from the root secret (core/sealer.ts, `oauth-seal`). */
export interface RootColumn {
  readonly by: 'root';
  readonly table: string;
  readonly column: string;
  readonly id: string;
  readonly place: (id: string) => string;
  /** servers: with the key of secrets in definitions of servers instead (`upstream-accounts`). */
  readonly key?: 'servers';
}

/** As `root`, and gone by itself soon: sealed anew by being written anew. */
export interface BriefColumn {
  readonly by: 'brief';
  readonly table: string;
  readonly column: string;
}

/** What a sealed variable of a server is bound to. `id`: of its row. */
export const variablePlace = (id: string): string => `server_variables:${id}`;

export const sealedColumns: readonly SealedColumn[] = [
  { by: 'vault', table: 'credentials', column: 'sealed', id: 'id' },
  { by: 'vault', table: 'connected_accounts', column: 'sealed', id: 'id' },
  { by: 'vault', table: 'upstream_clients', column: 'sealed', id: 'id' },
  { by: 'vault', table: 'notification_rules', column: 'sealed', id: 'id' },
  { by: 'root', table: 'signing_keys', column: 'sealed', id: 'kid', place: (kid) => `signing_keys:${kid}` },
  { by: 'root', table: 'oauth_clients', column: 'secret_sealed', id: 'id', place: (id) => `oauth-client:${id}` },
  { by: 'root', table: 'server_variables', column: 'sealed', id: 'id', place: variablePlace, key: 'servers' },
  { by: 'brief', table: 'admin_requests', column: 'sealed' },
  { by: 'brief', table: 'connection_attempts', column: 'sealed' },
  { by: 'brief', table: 'upstream_sessions', column: 'sealed' },
  { by: 'brief', table: 'sign_in_attempts', column: 'sealed' },
];

/**
 * As `vault`, but never sealed anew: the trail's chain is made over the sealed text. Their data keys stay as long as they
 * do, wrapped anew like all others, and go with the organization's.
 */
export const finalColumns: readonly Pick<VaultColumn, 'table' | 'column'>[] = [{ table: 'audit', column: 'content' }];

export const vaultColumns = sealedColumns.filter((column): column is VaultColumn => column.by === 'vault');
export const rootColumns = sealedColumns.filter((column): column is RootColumn => column.by === 'root');
