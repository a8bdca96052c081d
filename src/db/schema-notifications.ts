/** Rules of what an organization's people are told. */
import type { Generated } from 'kysely';
import type { Json, JsonDefault, NullableTime, TimeDefault } from './column-types.ts';

export interface NotificationRulesTable {
  id: Generated<string>;
  org_id: string;
  name: string;
  /** `webhook`, `slack` or `email` */
  kind: string;
  events: Json;
  threshold: Generated<number>;
  sealed: string;
  shown: string;
  enabled: Generated<boolean>;
  told: JsonDefault;
  failures: Generated<number>;
  checked_at: NullableTime;
  retry_at: NullableTime;
  sent_at: NullableTime;
  failed_at: NullableTime;
  failure: string | null;
  created_at: TimeDefault;
  updated_at: TimeDefault;
}

export interface NotificationsSchema {
  notification_rules: NotificationRulesTable;
}
