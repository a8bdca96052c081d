/** Sealing anew changes no secret; and what is looked for in arguments and results. */
const ownOrganization = `(select nullif(current_setting('app.org', true), '')::uuid)`;
const platformScope = `(select current_setting('app.scope', true) = 'platform')`;

export const secrets: readonly string[] = [
  // Pools and sessions are kept by version: a rotation of keys must not end them.
  `create or replace function gateway.count_version() returns trigger language plpgsql set search_path = pg_catalog as $$ begin
     new.version := old.version + ((new.sealed is distinct from old.sealed
         and coalesce(current_setting('app.resealing', true), '') <> 'on')
       or new.header_name is distinct from old.header_name
       or new.header_template is distinct from old.header_template)::integer;
     return new;
   end $$`,
  `create table gateway.content_filters (
     id uuid primary key default gateway.uuidv7(),
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     name text not null check (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'),
     -- both null: all of the organization
     server_id uuid references gateway.servers (id) on delete cascade,
     collection_id uuid,
     -- who looks: secrets, personal-data, size, pattern
     kind text not null check (kind <> '' and length(kind) <= 64),
     config jsonb not null default '{}' check (jsonb_typeof(config) = 'object'),
     looks_at text not null default 'both' check (looks_at in ('arguments', 'results', 'both')),
     action text not null check (action in ('block', 'redact', 'flag')),
     managed_by text not null default 'api',
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     check (num_nonnulls(server_id, collection_id) <= 1),
     unique (org_id, name),
     foreign key (org_id, collection_id) references gateway.collections (org_id, id) on delete cascade
   )`,
  'create index on gateway.content_filters (server_id)',
  'create index on gateway.content_filters (org_id, collection_id)',
  'alter table gateway.content_filters enable row level security',
  'alter table gateway.content_filters force row level security',
  `create policy content_filters_own on gateway.content_filters to gatehouse_app
     using (org_id = ${ownOrganization}) with check (org_id = ${ownOrganization})`,
  `create policy content_filters_platform on gateway.content_filters to gatehouse_platform
     using (${platformScope}) with check (${platformScope})`,
  'create policy content_filters_operator on gateway.content_filters for select to gatehouse_operator using (true)',
  'create policy content_filters_owner on gateway.content_filters to current_user using (true) with check (true)',
  'grant select, insert, update, delete on gateway.content_filters to gatehouse_app, gatehouse_platform',
  'grant select on gateway.content_filters to gatehouse_operator',
  `create trigger check_server_owner before insert or update on gateway.content_filters
     for each row when (new.server_id is not null) execute function gateway.check_server_owner()`,
  `create function gateway.announce_content_filters() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$ begin
     perform gateway.announce('organization', coalesce(new.org_id, old.org_id)::text);
     return null;
   end $$`,
  `create constraint trigger announce after insert or update or delete on gateway.content_filters
     deferrable initially deferred for each row execute function gateway.announce_content_filters()`,
];
