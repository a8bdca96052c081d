/** Tables of those who are invited, and of what acts for nobody. */
import type { Generated } from 'kysely';
import type { JsonDefault, TimeDefault } from './column-types.ts';

/** `email` in lower case. */
export interface InvitationsTable {
  org_id: string;
  email: string;
  /** JSON list of role slugs. */
  roles: JsonDefault;
  created_at: TimeDefault;
}

/** Whose assertions are good for a service account. */
export interface WorkloadIdentitiesTable {
  id: Generated<string>;
  org_id: string;
  user_id: string;
  issuer: string;
  /** `*` stands for any characters but `:` and `/`. */
  subject: string;
  audience: string;
  created_at: TimeDefault;
}

export interface PeopleSchema {
  invitations: InvitationsTable;
  workload_identities: WorkloadIdentitiesTable;
}
