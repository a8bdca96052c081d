/** Requests of the admin API that must happen once (Idempotency-Key) or one after the other (If-Match); lists of people. */
export const adminRequests: readonly string[] = [
  `create table gateway.admin_requests (
     -- SHA-256 of whose it is, what it does and its key
     id text primary key check (length(id) = 64),
     state text not null check (state in ('running', 'done')),
     -- what was asked, and the answer where it may be given again
     sealed text,
     expires_at timestamptz not null,
     created_at timestamptz not null default now()
   )`,
  'create index on gateway.admin_requests (expires_at)',
  'grant select, insert, update, delete on gateway.admin_requests to gatehouse_platform',
  'grant select (id, state, expires_at, created_at) on gateway.admin_requests to gatehouse_operator',
  // In the order in which people are listed.
  'create index users_shown on gateway.users (lower(coalesce(email, name, subject)), id)',
  'create index users_made on gateway.users (created_at, id)',
];
