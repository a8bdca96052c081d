/** Browsers that are signed in to the portal, and links that sign one in, once. Both as digests: nobody reads a cookie here. */
export const portalSessions: readonly string[] = [
  'set constraints all immediate',
  `create table gateway.portal_sessions (
     -- sha-256 of what the cookie holds, base64url
     digest text primary key check (length(digest) = 43),
     -- null: whoever holds the data directory, by a link
     user_id uuid references gateway.users (id) on delete cascade,
     -- when the person proved who they are
     signed_in_at timestamptz not null,
     -- last asked with; to the minute
     seen_at timestamptz not null,
     expires_at timestamptz not null,
     created_at timestamptz not null default now()
   )`,
  'create index on gateway.portal_sessions (user_id)',
  'create index on gateway.portal_sessions (expires_at)',
  `create table gateway.portal_links (
     digest text primary key check (length(digest) = 43),
     expires_at timestamptz not null
   )`,
  'grant select, insert, update, delete on gateway.portal_sessions, gateway.portal_links to gatehouse_platform',
  'set constraints all deferred',
];
