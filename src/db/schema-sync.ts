/** Tables of people and groups that a directory keeps here. */
import type { Generated } from 'kysely';
import type { Json, TimeDefault } from './column-types.ts';

export interface ScimUsersTable {
  id: Generated<string>;
  org_id: string;
  user_id: string;
  user_name: string;
  /** `user_name` in lower case. */
  user_name_key: string;
  external_id: string | null;
  active: Generated<boolean>;
  resource: Json;
  linked_at: Date | null;
  removed_at: Date | null;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

export interface WebhookEventsTable {
  identity_provider: string;
  id: string;
  type: string;
  /** `done`, `outdated` or `ignored` */
  state: string;
  received_at: TimeDefault;
}

export interface DirectoryObjectsTable {
  identity_provider: string;
  kind: string;
  id: string;
  updated_at: Date;
  removed: Generated<boolean>;
}

export interface SyncSchema {
  scim_users: ScimUsersTable;
  webhook_events: WebhookEventsTable;
  directory_objects: DirectoryObjectsTable;
}
