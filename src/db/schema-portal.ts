/** Tables of the portal's door. */
import type { Time, TimeDefault } from './column-types.ts';

export interface PortalSessionsTable {
  digest: string;
  user_id: string | null;
  signed_in_at: Time;
  seen_at: Time;
  expires_at: Time;
  created_at: TimeDefault;
}

export interface PortalLinksTable {
  digest: string;
  expires_at: Time;
}

export interface PortalSchema {
  portal_sessions: PortalSessionsTable;
  portal_links: PortalLinksTable;
}
