/** Table of requests of the admin API that happen once. */
import type { TimeDefault } from './column-types.ts';

export interface AdminRequestsTable {
  id: string;
  state: 'running' | 'done';
  sealed: string | null;
  expires_at: Date;
  created_at: TimeDefault;
}

export interface RequestsSchema {
  admin_requests: AdminRequestsTable;
}
