/** What people ask to be let into, and applications that an organization does not let in. */
import { isolated } from './isolated.ts';

export const accessRequests: readonly string[] = [
  'set constraints all immediate',
  `create table gateway.access_requests (
     id uuid primary key default gateway.uuidv7(),
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     user_id uuid not null references gateway.users (id) on delete cascade,
     server_id uuid references gateway.servers (id) on delete cascade,
     collection_id uuid references gateway.collections (id) on delete cascade,
     -- the server's own names; null: all it has
     tools jsonb check (jsonb_typeof(tools) = 'array'),
     reason text not null,
     state text not null default 'open' check (state in ('open', 'approved', 'refused', 'withdrawn')),
     word text,
     decided_by uuid references gateway.users (id) on delete set null,
     decided_at timestamptz,
     grant_id uuid references gateway.grants (id) on delete set null,
     created_at timestamptz not null default now(),
     check ((server_id is null) <> (collection_id is null))
   )`,
  'create index access_requests_open on gateway.access_requests (org_id, state, created_at)',
  'create index access_requests_person on gateway.access_requests (user_id)',
  ...isolated('access_requests'),
  `create table gateway.blocked_clients (
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     client_id text not null,
     reason text,
     blocked_by text not null,
     created_at timestamptz not null default now(),
     primary key (org_id, client_id)
   )`,
  ...isolated('blocked_clients'),
  `create function gateway.announce_blocked_clients() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$ begin
       perform gateway.announce('organization', coalesce(new.org_id, old.org_id)::text); return null; end $$`,
  `create constraint trigger announce after insert or update or delete on gateway.blocked_clients
     deferrable initially deferred for each row execute function gateway.announce_blocked_clients()`,
  'set constraints all deferred',
];
