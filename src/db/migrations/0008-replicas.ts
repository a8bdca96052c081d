/** Replicas that the others can reach, what changed in sessions of legacy clients, and sessions that we have upstream. */
const ownOrganization = `(select nullif(current_setting('app.org', true), '')::uuid)`;
const platformScope = `(select current_setting('app.scope', true) = 'platform')`;

const isolated = (table: string): readonly string[] => [
  `alter table gateway.${table} enable row level security`,
  `alter table gateway.${table} force row level security`,
  `create policy ${table}_own on gateway.${table} to gatehouse_app
     using (org_id = ${ownOrganization}) with check (org_id = ${ownOrganization})`,
  `create policy ${table}_platform on gateway.${table} to gatehouse_platform
     using (${platformScope}) with check (${platformScope})`,
  `create policy ${table}_operator on gateway.${table} for select to gatehouse_operator using (true)`,
  `create policy ${table}_owner on gateway.${table} to current_user using (true) with check (true)`,
  `grant select, insert, update, delete on gateway.${table} to gatehouse_app, gatehouse_platform`,
];

export const replicas: readonly string[] = [
  `create table gateway.replicas (
     -- of one process: never used again
     id text primary key check (length(id) between 1 and 64),
     -- origin of its own listener
     url text not null check (url ~ '^https?://' and length(url) <= 2048),
     started_at timestamptz not null default now(),
     expires_at timestamptz not null
   )`,
  'create index on gateway.replicas (expires_at)',
  'grant select, insert, update, delete on gateway.replicas to gatehouse_platform',
  'grant select on gateway.replicas to gatehouse_operator',
  `create table gateway.session_states (
     -- sha-256 of the session id, base64url
     digest text not null check (length(digest) between 1 and 128),
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     log_level text check (log_level in
       ('debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency')),
     -- URIs of resources
     subscriptions jsonb not null default '[]' check (case when jsonb_typeof(subscriptions) = 'array'
       then jsonb_array_length(subscriptions) <= 1000 else false end),
     expires_at timestamptz not null,
     primary key (digest, org_id)
   )`,
  'create index on gateway.session_states (expires_at)',
  'create index on gateway.session_states (org_id)',
  `create table gateway.upstream_sessions (
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     -- sha-256 of whose it is: binding, principal, credential and what else tells sessions apart
     digest text not null check (length(digest) between 1 and 128),
     sealed text not null check (length(sealed) <= 65536),
     expires_at timestamptz not null,
     primary key (org_id, digest)
   )`,
  'create index on gateway.upstream_sessions (expires_at)',
  ...['session_states', 'upstream_sessions'].flatMap(isolated),
  'grant select on gateway.session_states to gatehouse_operator',
  `create function gateway.announce_session_states() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$ begin perform gateway.announce('session-state', new.digest); return null; end $$`,
  // Not for removed rows: that the session ended is announced already, and an expired one is asked for by nobody.
  `create constraint trigger announce after insert or update on gateway.session_states
     deferrable initially deferred for each row execute function gateway.announce_session_states()`,
  `create function gateway.end_session_state() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$
     begin delete from gateway.session_states where digest = new.digest; return null; end $$`,
  `create trigger end_session_state after insert on gateway.session_revocations
     for each row execute function gateway.end_session_state()`,
];
