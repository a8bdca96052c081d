/**
 * Roles and row-level security. Three roles that cannot log in: `gatehouse_app` sees the organization of `app.org`,
 * `gatehouse_platform` sees all where `app.scope` is `platform`, `gatehouse_operator` reads in psql. Without a setting
 * the first two see nothing. FORCE binds the owner too; its own policy lets the documented SQL work in psql, and the
 * gateway never queries as the owner.
 */
const organizationTables: readonly (readonly [table: string, column: string])[] = [
  ['organizations', 'id'],
  ['servers', 'org_id'],
  ['enablements', 'org_id'],
  ['collections', 'org_id'],
  ['credentials', 'org_id'],
  ['bindings', 'org_id'],
  ['api_keys', 'org_id'],
  ['organization_keys', 'org_id'],
  ['usage', 'org_id'],
  ['audit', 'org_id'],
];

// Sub-selects are evaluated once per statement instead of once per row.
const ownOrganization = `(select nullif(current_setting('app.org', true), '')::uuid)`;
const platformScope = `(select current_setting('app.scope', true) = 'platform')`;

const makeRole = (role: string) => `do $$ begin
    if not exists (select from pg_roles where rolname = '${role}') then
      create role ${role} nologin nosuperuser nobypassrls nocreatedb nocreaterole;
    end if;
  exception when duplicate_object or unique_violation then null; -- made beside us for another database of the cluster
  end $$`;

/** A superuser needs no membership; everybody else must be a member to SET ROLE: by right, or by an administrator's grant. */
const joinRole = (role: string) => `do $$ begin
    if (select rolsuper from pg_roles where rolname = current_user) then return; end if;
    execute format('grant ${role} to %I', current_user);
  exception when insufficient_privilege then
    if not pg_has_role(current_user, '${role}', 'MEMBER') then raise; end if;
  end $$`;

const policies = organizationTables.flatMap(([table, column]) => {
  const own = `${column} = ${ownOrganization}`;
  const seen = table === 'servers' ? `${own} or ${column} is null` : own;
  return [
    `alter table gateway.${table} enable row level security`,
    `alter table gateway.${table} force row level security`,
    `create policy ${table}_read on gateway.${table} for select to gatehouse_app using (${seen})`,
    `create policy ${table}_insert on gateway.${table} for insert to gatehouse_app with check (${own})`,
    `create policy ${table}_update on gateway.${table} for update to gatehouse_app using (${own}) with check (${own})`,
    `create policy ${table}_delete on gateway.${table} for delete to gatehouse_app using (${own})`,
    `create policy ${table}_platform on gateway.${table} to gatehouse_platform
       using (${platformScope}) with check (${platformScope})`,
    `create policy ${table}_operator on gateway.${table} for select to gatehouse_operator using (true)`,
    `create policy ${table}_owner on gateway.${table} to current_user using (true) with check (true)`,
  ];
});

const configuration = 'enablements, collections, credentials, bindings, api_keys, organization_keys'
  .split(', ')
  .map((table) => `gateway.${table}`)
  .join(', ');

export const isolation: readonly string[] = [
  makeRole('gatehouse_app'),
  makeRole('gatehouse_platform'),
  makeRole('gatehouse_operator'),
  joinRole('gatehouse_app'),
  joinRole('gatehouse_platform'),
  'grant usage on schema gateway to gatehouse_app, gatehouse_platform, gatehouse_operator',
  ...policies,
  `grant select, insert, update, delete on ${configuration}, gateway.servers to gatehouse_app, gatehouse_platform`,
  'grant select, update (name, updated_at) on gateway.organizations to gatehouse_app',
  'grant select, insert, update, delete on gateway.organizations to gatehouse_platform',
  // Rows of the trail are never removed by the gateway's own roles, and a closed one is never changed.
  'grant select, insert, update on gateway.audit to gatehouse_platform',
  'grant select on gateway.audit to gatehouse_app',
  'grant select, insert, update, delete on gateway.usage to gatehouse_platform',
  'grant select on gateway.usage to gatehouse_app',
  'grant select, insert, update, delete on gateway.session_revocations, gateway.settings to gatehouse_platform',
  'grant select on all tables in schema gateway to gatehouse_operator',
  // A login that may only take these roles must see that there is nothing left to migrate.
  'grant select on gateway.migration to gatehouse_app',
  `create function gateway.keep_closed() returns trigger language plpgsql set search_path = pg_catalog as $$ begin
     if not old.open then raise exception 'a closed record of the audit trail is final' using errcode = '42501'; end if;
     return new;
   end $$`,
  `create trigger keep_closed before update on gateway.audit for each row execute function gateway.keep_closed()`,
  // Foreign keys look past row-level security: another organization's server must not be bound by its id.
  `create function gateway.check_server_owner() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$ begin
     if not exists (
       select from gateway.servers s where s.id = new.server_id and (s.org_id is null or s.org_id = new.org_id)
     ) then
       raise exception 'no such server' using errcode = '23503';
     end if;
     return new;
   end $$`,
  `create trigger check_server_owner before insert or update on gateway.bindings
     for each row execute function gateway.check_server_owner()`,
  `create trigger check_server_owner before insert or update on gateway.enablements
     for each row execute function gateway.check_server_owner()`,
  // Slugs, external ids and ids name in one space: each is looked up in a URL's first segment.
  `create function gateway.check_names() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$ begin
     perform pg_advisory_xact_lock(hashtext('gateway.organization_names'));
     if exists (
       select from gateway.organizations o
       where o.id <> new.id and (o.slug in (new.slug, new.external_id) or o.external_id in (new.slug, new.external_id)
         or o.id::text in (new.slug, lower(new.external_id)))
     ) then
       raise exception 'the name belongs to another organization' using errcode = '23505';
     end if;
     return new;
   end $$`,
  `create trigger check_names before insert or update of slug, external_id on gateway.organizations
     for each row execute function gateway.check_names()`,
  `create function gateway.count_version() returns trigger language plpgsql set search_path = pg_catalog as $$ begin
     new.version := old.version + (new.sealed is distinct from old.sealed
       or new.header_name is distinct from old.header_name
       or new.header_template is distinct from old.header_template)::integer;
     return new;
   end $$`,
  `create trigger count_version before update on gateway.credentials
     for each row execute function gateway.count_version()`,
];
