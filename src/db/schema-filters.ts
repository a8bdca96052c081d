/** What is looked for in arguments and results. */
import type { Generated } from 'kysely';
import type { JsonDefault, TimeDefault } from './column-types.ts';

export interface ContentFiltersTable {
  id: Generated<string>;
  org_id: string;
  name: string;
  /** Both null: all of the organization. */
  server_id: string | null;
  collection_id: string | null;
  kind: string;
  config: JsonDefault;
  /** `arguments`, `results` or `both` */
  looks_at: Generated<string>;
  /** `block`, `redact` or `flag` */
  action: string;
  managed_by: Generated<string>;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

export interface FiltersSchema {
  content_filters: ContentFiltersTable;
}
