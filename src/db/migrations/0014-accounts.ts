/** People's own accounts at upstream servers, and what the gateway is at their authorization servers. */
import { isolated } from './isolated.ts';

export const accounts: readonly string[] = [
  'set constraints all immediate',
  // Whose word a call is at the server: null, the binding's own credential or none (records/server-auth.ts).
  `alter table gateway.servers add column auth jsonb check (jsonb_typeof(auth) = 'object')`,
  `create table gateway.connected_accounts (
     id uuid primary key,
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     user_id uuid not null references gateway.users (id) on delete cascade,
     server_id uuid not null references gateway.servers (id) on delete cascade,
     -- who issued the tokens: they are shown to nobody else
     issuer text not null check (issuer <> '' and length(issuer) <= 2048),
     client_id text not null check (length(client_id) <= 2048),
     -- access and refresh token
     sealed text not null,
     scopes text not null default '' check (length(scopes) <= 8192),
     -- what the server asked for and was not given
     missing_scopes text check (length(missing_scopes) <= 8192),
     expires_at timestamptz,
     issued_at timestamptz not null default now(),
     refreshable boolean not null default false,
     state text not null default 'ok' check (state in ('ok', 'expiring', 'failed')),
     failed_reason text check (length(failed_reason) <= 256),
     version integer not null default 1,
     -- whoever holds it asks for new tokens: refresh tokens are good once
     lease uuid,
     lease_until timestamptz,
     -- after a failure that may pass
     retry_at timestamptz,
     failures integer not null default 0,
     checked_at timestamptz not null default now(),
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     unique (org_id, user_id, server_id),
     unique (org_id, id)
   )`,
  'create index on gateway.connected_accounts (user_id)',
  'create index on gateway.connected_accounts (server_id)',
  'create index on gateway.connected_accounts (checked_at) where refreshable',
  ...isolated('connected_accounts'),
  `create trigger check_server_owner before insert or update on gateway.connected_accounts
     for each row execute function gateway.check_server_owner()`,
  // Not of each refresh: older tokens are good until they end.
  `create function gateway.announce_connected_accounts() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$ begin
     if tg_op = 'UPDATE' and old.state = new.state and old.id = new.id then return null; end if;
     perform gateway.announce('user', coalesce(new.user_id, old.user_id)::text);
     return null;
   end $$`,
  `create constraint trigger announce after insert or update or delete on gateway.connected_accounts
     deferrable initially deferred for each row execute function gateway.announce_connected_accounts()`,
  `create table gateway.connection_attempts (
     digest text primary key check (length(digest) = 43),
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     user_id uuid not null references gateway.users (id) on delete cascade,
     sealed text not null,
     expires_at timestamptz not null
   )`,
  'create index on gateway.connection_attempts (org_id)',
  'create index on gateway.connection_attempts (user_id)',
  'create index on gateway.connection_attempts (expires_at)',
  ...isolated('connection_attempts'),
  // What the gateway was registered as at a foreign authorization server, for one organization.
  `create table gateway.upstream_clients (
     id uuid primary key,
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     issuer text not null check (issuer <> '' and length(issuer) <= 2048),
     client_id text not null check (length(client_id) <= 2048),
     -- the client secret; null: it has none
     sealed text,
     auth_method text not null check (length(auth_method) <= 64),
     redirect_uri text not null,
     expires_at timestamptz,
     created_at timestamptz not null default now(),
     unique (org_id, issuer)
   )`,
  ...isolated('upstream_clients'),
  'set constraints all deferred',
];
