/** Who may do what: groups, who is in them, what they and single people are granted, policies, limits, and routes of groups. */
import { isolated } from './isolated.ts';

const announcing = (table: string, change: string): readonly string[] => [
  `create function gateway.announce_${table}() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$ begin perform gateway.announce(${change}); return null; end $$`,
  `create constraint trigger announce after insert or update or delete on gateway.${table}
     deferrable initially deferred for each row execute function gateway.announce_${table}()`,
];
const organizationChange = `'organization', coalesce(new.org_id, old.org_id)::text`;

/** Foreign keys look past row-level security: what is referred to must be of the same organization. */
const checkServer = (table: string) =>
  `create trigger check_server_owner before insert or update on gateway.${table}
     for each row when (new.server_id is not null) execute function gateway.check_server_owner()`;

export const access: readonly string[] = [
  'set constraints all immediate',
  // A tool that is switched off: for everybody by the platform, for its members by an organization. JSON lists of names.
  `alter table gateway.servers add column blocked_tools jsonb not null default '[]' check (jsonb_typeof(blocked_tools) = 'array'),
     -- names the one of several credentials of a group that is meant for this server
     add column key_name text not null default ''`,
  `alter table gateway.enablements
     add column blocked_tools jsonb not null default '[]' check (jsonb_typeof(blocked_tools) = 'array')`,
  // Somebody may be kept out of one organization and stay in the others.
  'alter table gateway.members add column active boolean not null default true',
  `create table gateway.groups (
     id uuid primary key default gateway.uuidv7(),
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     name text not null check (name ~ '^[A-Za-z0-9-]{1,128}$'),
     title text not null default '' check (length(title) <= 512),
     -- what the identity provider calls it: whoever it says is in that one is in this one
     external_id text check (external_id <> '' and length(external_id) <= 512),
     -- of several groups the lowest decides about credentials; equal ones by name
     priority integer not null default 1000,
     -- MCP-Admin: never removed
     builtin boolean not null default false,
     managed_by text not null default 'api',
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     unique (org_id, id)
   )`,
  'create unique index groups_org_id_name on gateway.groups (org_id, lower(name))',
  'create unique index groups_org_id_external_id on gateway.groups (org_id, external_id)',
  ...isolated('groups'),
  ...announcing('groups', organizationChange),
  `create table gateway.group_members (
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     group_id uuid not null,
     user_id uuid references gateway.users (id) on delete cascade,
     -- in lower case: somebody who may not have signed in yet
     email text check (email = lower(email) and email <> '' and length(email) <= 320),
     key_id text references gateway.api_keys (id) on delete cascade,
     -- the identity provider, scim or file whose word it is; null: made here
     source text,
     created_at timestamptz not null default now(),
     check (num_nonnulls(user_id, email, key_id) = 1),
     unique nulls not distinct (group_id, user_id, email, key_id),
     foreign key (org_id, group_id) references gateway.groups (org_id, id) on delete cascade
   )`,
  'create index on gateway.group_members (org_id, user_id)',
  'create index on gateway.group_members (org_id, email)',
  'create index on gateway.group_members (user_id)',
  'create index on gateway.group_members (key_id)',
  ...isolated('group_members'),
  // To whoever it concerns; an address may be that of several people, or of nobody yet.
  `create function gateway.announce_holder(holder_user uuid, holder_email text, holder_key text) returns void
     language plpgsql security definer set search_path = pg_catalog as $$ begin
     if holder_user is not null then perform gateway.announce('user', holder_user::text); end if;
     if holder_key is not null then perform gateway.announce('key', holder_key); end if;
     if holder_email is not null then
       perform gateway.announce('user', u.id::text) from gateway.users u where lower(u.email) = holder_email;
     end if;
   end $$`,
  'revoke execute on function gateway.announce_holder(uuid, text, text) from public',
  `create function gateway.announce_group_members() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$ begin
     if tg_op <> 'INSERT' then perform gateway.announce_holder(old.user_id, old.email, old.key_id); end if;
     if tg_op <> 'DELETE' then perform gateway.announce_holder(new.user_id, new.email, new.key_id); end if;
     return null;
   end $$`,
  `create constraint trigger announce after insert or update or delete on gateway.group_members
     deferrable initially deferred for each row execute function gateway.announce_group_members()`,
  `create table gateway.grants (
     id uuid primary key default gateway.uuidv7(),
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     group_id uuid,
     user_id uuid references gateway.users (id) on delete cascade,
     email text check (email = lower(email) and email <> '' and length(email) <= 320),
     server_id uuid references gateway.servers (id) on delete cascade,
     collection_id uuid,
     -- JSON list of the server's own tool names; null: all it has
     tools jsonb check (jsonb_typeof(tools) = 'array'),
     managed_by text not null default 'api',
     created_at timestamptz not null default now(),
     check (num_nonnulls(group_id, user_id, email) = 1),
     check (num_nonnulls(server_id, collection_id) = 1),
     check (tools is null or server_id is not null),
     unique nulls not distinct (org_id, group_id, user_id, email, server_id, collection_id),
     foreign key (org_id, group_id) references gateway.groups (org_id, id) on delete cascade,
     foreign key (org_id, collection_id) references gateway.collections (org_id, id) on delete cascade
   )`,
  'create index on gateway.grants (org_id, group_id)',
  'create index on gateway.grants (org_id, user_id)',
  'create index on gateway.grants (org_id, email)',
  'create index on gateway.grants (user_id)',
  'create index on gateway.grants (server_id)',
  'create index on gateway.grants (org_id, collection_id)',
  ...isolated('grants'),
  checkServer('grants'),
  `create function gateway.announce_grants() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$ begin
     if tg_op <> 'INSERT' then
       perform gateway.announce_holder(old.user_id, old.email, null);
       if old.group_id is not null then perform gateway.announce('organization', old.org_id::text); end if;
     end if;
     if tg_op <> 'DELETE' then
       perform gateway.announce_holder(new.user_id, new.email, null);
       if new.group_id is not null then perform gateway.announce('organization', new.org_id::text); end if;
     end if;
     return null;
   end $$`,
  `create constraint trigger announce after insert or update or delete on gateway.grants
     deferrable initially deferred for each row execute function gateway.announce_grants()`,
  `create table gateway.policies (
     id uuid primary key default gateway.uuidv7(),
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     name text not null check (name <> '' and length(name) <= 128),
     -- both null: all of the organization
     server_id uuid references gateway.servers (id) on delete cascade,
     collection_id uuid,
     -- the configuration file of REQUIREMENTS S2.17 as JSON
     config jsonb not null check (jsonb_typeof(config) = 'object'),
     on_error text not null default 'deny' check (on_error in ('deny', 'skip')),
     -- log: what it would refuse is only said
     mode text not null default 'enforce' check (mode in ('enforce', 'log')),
     version integer not null default 1,
     managed_by text not null default 'api',
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     check (num_nonnulls(server_id, collection_id) <= 1),
     unique (org_id, name),
     foreign key (org_id, collection_id) references gateway.collections (org_id, id) on delete cascade
   )`,
  'create index on gateway.policies (server_id)',
  'create index on gateway.policies (org_id, collection_id)',
  ...isolated('policies'),
  checkServer('policies'),
  ...announcing('policies', organizationChange),
  `create function gateway.count_policy_version() returns trigger language plpgsql set search_path = pg_catalog as $$ begin
     new.version := old.version + 1;
     return new;
   end $$`,
  `create trigger count_version before update on gateway.policies
     for each row execute function gateway.count_policy_version()`,
  `create table gateway.server_routes (
     id uuid primary key default gateway.uuidv7(),
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     -- null: whoever no group decides for
     group_id uuid,
     server_id uuid not null references gateway.servers (id) on delete cascade,
     key_name text not null default '',
     credential_id uuid,
     -- in the place of the server's own address: only ever with the same route's credential
     url text check (url ~ '^https?://' and length(url) <= 2048),
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     check (num_nonnulls(credential_id, url) > 0),
     unique nulls not distinct (org_id, group_id, server_id, key_name),
     foreign key (org_id, group_id) references gateway.groups (org_id, id) on delete cascade,
     foreign key (org_id, credential_id) references gateway.credentials (org_id, id)
   )`,
  'create index on gateway.server_routes (server_id)',
  'create index on gateway.server_routes (org_id, credential_id)',
  ...isolated('server_routes'),
  checkServer('server_routes'),
  ...announcing('server_routes', organizationChange),
  `create table gateway.limit_rules (
     id uuid primary key default gateway.uuidv7(),
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     -- whom it counts: all of the organization together, or each member, key, group by itself
     counts text not null check (counts in ('organization', 'principal', 'group')),
     -- for whom it holds; all null: for everybody
     group_id uuid,
     user_id uuid references gateway.users (id) on delete cascade,
     key_id text references gateway.api_keys (id) on delete cascade,
     -- of which calls; null: of all
     server_id uuid references gateway.servers (id) on delete cascade,
     tool text check (tool <> '' and length(tool) <= 256),
     points integer check (points >= 0),
     window_seconds integer check (window_seconds between 1 and 2678400),
     -- beyond points, for a moment
     burst integer check (burst >= 0),
     concurrent integer check (concurrent >= 0),
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     check (num_nonnulls(group_id, user_id, key_id) <= 1),
     check (tool is null or server_id is not null),
     check ((points is null) = (window_seconds is null)),
     check (num_nonnulls(points, concurrent) > 0),
     foreign key (org_id, group_id) references gateway.groups (org_id, id) on delete cascade
   )`,
  'create index on gateway.limit_rules (org_id)',
  'create index on gateway.limit_rules (server_id)',
  'create index on gateway.limit_rules (user_id)',
  'create index on gateway.limit_rules (key_id)',
  ...isolated('limit_rules'),
  checkServer('limit_rules'),
  ...announcing('limit_rules', organizationChange),
  // Every organization has one group that sees all that is enabled there.
  `create function gateway.make_builtin_groups() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$ begin
     insert into gateway.groups (org_id, name, title, priority, builtin) values (new.id, 'MCP-Admin', '', 0, true)
       on conflict do nothing;
     return null;
   end $$`,
  `create trigger make_builtin_groups after insert on gateway.organizations
     for each row execute function gateway.make_builtin_groups()`,
  `insert into gateway.groups (org_id, name, title, priority, builtin)
     select id, 'MCP-Admin', '', 0, true from gateway.organizations`,
  `create function gateway.keep_builtin_groups() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$ begin
     if old.builtin and (tg_op = 'UPDATE' or exists (select from gateway.organizations o where o.id = old.org_id))
       and (tg_op = 'DELETE' or not new.builtin or new.name <> old.name) then
       raise exception 'a builtin group stays' using errcode = '42501';
     end if;
     return coalesce(new, old);
   end $$`,
  `create trigger keep_builtin before update or delete on gateway.groups
     for each row execute function gateway.keep_builtin_groups()`,
  'set constraints all deferred',
];
