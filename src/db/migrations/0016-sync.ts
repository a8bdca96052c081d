/**
 * People and groups that a directory keeps here (SCIM 2.0, webhooks), and announcements that stay few however many people
 * one transaction is about.
 */
const ownOrganization = `(select nullif(current_setting('app.org', true), '')::uuid)`;
const platformScope = `(select current_setting('app.scope', true) = 'platform')`;

const body = (declarations: string, statements: string) =>
  `language plpgsql security definer set search_path = pg_catalog as $$ ${declarations} begin ${statements} end $$`;

/** Beyond this many people of one transaction, its organization is announced as a whole. */
const manyPeople = 100;
/** And beyond this many whose own rows changed, everything. */
const manyUsers = 1000;

/** The triggers stay deferred and per row: at the end of a statement they would hold the counter's lock until the commit. */
const announcements: readonly string[] = [
  `create function gateway.announce_person(org uuid, person uuid) returns void ${body(
    'declare n integer;',
    `if current_setting('app.people', true) = org::text then return; end if;
     n := coalesce(nullif(current_setting('app.people_count', true), '')::integer, 0) + 1;
     if n > ${manyPeople} then
       perform set_config('app.people', org::text, true);
       perform gateway.announce('organization', org::text);
     else
       perform set_config('app.people_count', n::text, true);
       perform gateway.announce('user', person::text);
     end if;`,
  )}`,
  'revoke execute on function gateway.announce_person(uuid, uuid) from public',
  `create function gateway.announce_holder_in(org uuid, holder_user uuid, holder_email text, holder_key text)
     returns void ${body(
       '',
       `if holder_user is not null then perform gateway.announce_person(org, holder_user); end if;
        if holder_key is not null then perform gateway.announce('key', holder_key); end if;
        if holder_email is not null then
          perform gateway.announce_person(org, u.id) from gateway.users u where lower(u.email) = holder_email;
        end if;`,
     )}`,
  'revoke execute on function gateway.announce_holder_in(uuid, uuid, text, text) from public',
  `create or replace function gateway.announce_members() returns trigger ${body(
    '',
    `perform gateway.announce_person(coalesce(new.org_id, old.org_id), coalesce(new.user_id, old.user_id)); return null;`,
  )}`,
  `create or replace function gateway.announce_group_members() returns trigger ${body(
    '',
    `if tg_op <> 'INSERT' then
       perform gateway.announce_holder_in(old.org_id, old.user_id, old.email, old.key_id);
     end if;
     if tg_op <> 'DELETE' then
       perform gateway.announce_holder_in(new.org_id, new.user_id, new.email, new.key_id);
     end if;
     return null;`,
  )}`,
  `create or replace function gateway.announce_grants() returns trigger ${body(
    '',
    `if tg_op <> 'INSERT' then
       perform gateway.announce_holder_in(old.org_id, old.user_id, old.email, null);
       if old.group_id is not null then perform gateway.announce('organization', old.org_id::text); end if;
     end if;
     if tg_op <> 'DELETE' then
       perform gateway.announce_holder_in(new.org_id, new.user_id, new.email, null);
       if new.group_id is not null then perform gateway.announce('organization', new.org_id::text); end if;
     end if;
     return null;`,
  )}`,
  `create or replace function gateway.announce_users() returns trigger ${body(
    'declare n integer;',
    `n := coalesce(nullif(current_setting('app.users_count', true), '')::integer, 0) + 1;
     if n > ${manyUsers} + 1 then return null; end if;
     perform set_config('app.users_count', n::text, true);
     if n > ${manyUsers} then perform gateway.announce('everything', null);
     else perform gateway.announce('user', old.id::text); end if;
     return null;`,
  )}`,
  // Of people who come with an identity provider's own tokens: they may have no row that could change.
  `create function gateway.announce_identity(provider text, subject text) returns void ${body(
    '',
    `perform gateway.announce('identity', '[' || to_json(provider)::text || ',' || to_json(subject)::text || ']');
     perform gateway.announce('user', i.user_id::text) from gateway.identities i
       where i.identity_provider = provider and i.subject = announce_identity.subject;`,
  )}`,
  'revoke execute on function gateway.announce_identity(text, text) from public',
  'grant execute on function gateway.announce_identity(text, text) to gatehouse_platform',
];

export const sync: readonly string[] = [
  'set constraints all immediate',
  // Whose word it was: only they take it back. null: an administrator's.
  'alter table gateway.users add column deactivated_by text',
  `create table gateway.scim_users (
     id uuid primary key default gateway.uuidv7(),
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     user_id uuid not null references gateway.users (id) on delete cascade,
     user_name text not null check (user_name <> '' and length(user_name) <= 512),
     -- in lower case: what it is found by
     user_name_key text not null check (user_name_key = lower(user_name_key)),
     external_id text check (external_id <> '' and length(external_id) <= 512),
     -- as the directory said last
     active boolean not null default true,
     -- the resource of RFC 7643 without id, userName, externalId, active, groups and meta
     resource jsonb not null default '{}' check (jsonb_typeof(resource) = 'object' and length(resource::text) <= 65536),
     -- null: nobody has signed in yet who is this person
     linked_at timestamptz,
     -- deleted there: kept, so that nobody comes in by another way
     removed_at timestamptz,
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     unique (org_id, id)
   )`,
  'create unique index scim_users_name on gateway.scim_users (org_id, user_name_key) where removed_at is null',
  'create index scim_users_former on gateway.scim_users (org_id, user_name_key)',
  'create index scim_users_external on gateway.scim_users (org_id, external_id)',
  'create index scim_users_user on gateway.scim_users (user_id, org_id)',
  'create index scim_users_by_name on gateway.scim_users (user_name_key)',
  'alter table gateway.scim_users enable row level security',
  'alter table gateway.scim_users force row level security',
  `create policy scim_users_own on gateway.scim_users to gatehouse_app
     using (org_id = ${ownOrganization}) with check (org_id = ${ownOrganization})`,
  `create policy scim_users_platform on gateway.scim_users to gatehouse_platform
     using (${platformScope}) with check (${platformScope})`,
  'create policy scim_users_operator on gateway.scim_users for select to gatehouse_operator using (true)',
  'create policy scim_users_owner on gateway.scim_users to current_user using (true) with check (true)',
  'grant select, insert, update, delete on gateway.scim_users to gatehouse_app, gatehouse_platform',
  'grant select on gateway.scim_users to gatehouse_operator',
  // Events of webhooks that were worked off: written in the transaction of the work itself.
  `create table gateway.webhook_events (
     identity_provider text not null,
     id text not null check (length(id) between 1 and 256),
     type text not null,
     state text not null check (state in ('done', 'outdated', 'ignored')),
     received_at timestamptz not null default now(),
     primary key (identity_provider, id)
   )`,
  'create index on gateway.webhook_events (received_at)',
  // What was last heard of each thing there: events may arrive in any order.
  `create table gateway.directory_objects (
     identity_provider text not null,
     kind text not null,
     id text not null check (length(id) between 1 and 512),
     updated_at timestamptz not null,
     removed boolean not null default false,
     primary key (identity_provider, kind, id)
   )`,
  'grant select, insert, update, delete on gateway.webhook_events, gateway.directory_objects to gatehouse_platform',
  'grant select on gateway.webhook_events, gateway.directory_objects to gatehouse_operator',
  ...announcements,
  'set constraints all deferred',
];
