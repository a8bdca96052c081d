/** Tables that say who may do what. */
import type { Generated } from 'kysely';
import type { Json, NullableJson, TimeDefault } from './column-types.ts';

export interface GroupsTable {
  id: Generated<string>;
  org_id: string;
  name: string;
  title: Generated<string>;
  external_id: string | null;
  priority: Generated<number>;
  builtin: Generated<boolean>;
  managed_by: Generated<string>;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

/** Exactly one of `user_id`, `email` (lower case) and `key_id`. */
export interface GroupMembersTable {
  org_id: string;
  group_id: string;
  user_id: string | null;
  email: string | null;
  key_id: string | null;
  /** Whose word it is; null: made here. */
  source: string | null;
  created_at: TimeDefault;
}

/** To exactly one of `group_id`, `user_id` and `email`, of exactly one of `server_id` and `collection_id`. */
export interface GrantsTable {
  id: Generated<string>;
  org_id: string;
  group_id: string | null;
  user_id: string | null;
  email: string | null;
  server_id: string | null;
  collection_id: string | null;
  /** JSON list of the server's own tool names; null: all. */
  tools: NullableJson;
  managed_by: Generated<string>;
  created_at: TimeDefault;
}

export interface PoliciesTable {
  id: Generated<string>;
  org_id: string;
  name: string;
  server_id: string | null;
  collection_id: string | null;
  config: Json;
  /** `deny` or `skip` */
  on_error: Generated<string>;
  /** `enforce` or `log` */
  mode: Generated<string>;
  version: Generated<number>;
  managed_by: Generated<string>;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

export interface ServerRoutesTable {
  id: Generated<string>;
  org_id: string;
  group_id: string | null;
  server_id: string;
  key_name: Generated<string>;
  credential_id: string | null;
  url: string | null;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

export interface LimitRulesTable {
  id: Generated<string>;
  org_id: string;
  /** `organization`, `principal` or `group` */
  counts: string;
  group_id: string | null;
  user_id: string | null;
  key_id: string | null;
  server_id: string | null;
  tool: string | null;
  points: number | null;
  window_seconds: number | null;
  burst: number | null;
  concurrent: number | null;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

export interface AccessSchema {
  groups: GroupsTable;
  group_members: GroupMembersTable;
  grants: GrantsTable;
  policies: PoliciesTable;
  server_routes: ServerRoutesTable;
  limit_rules: LimitRulesTable;
}
