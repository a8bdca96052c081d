/** Tables of how servers are run. */
import type { Generated } from 'kysely';
import type { TimeDefault } from './column-types.ts';

export interface ServerVariablesTable {
  id: Generated<string>;
  server_id: string;
  name: string;
  sealed: string;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

export interface RunsSchema {
  server_variables: ServerVariablesTable;
}
