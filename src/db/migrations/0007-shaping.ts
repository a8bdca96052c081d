/** How collections list, how bindings publish their tools, and which definitions of tools an organization has approved. */
const ownOrganization = `(select nullif(current_setting('app.org', true), '')::uuid)`;
const platformScope = `(select current_setting('app.scope', true) = 'platform')`;

export const shaping: readonly string[] = [
  // A table with events that wait for the commit cannot be altered: an import in the same transaction leaves some.
  'set constraints all immediate',
  `alter table gateway.collections
     add column names text not null default 'prefixed' check (names in ('prefixed', 'plain')),
     add column mode text not null default 'full' check (mode in ('full', 'meta', 'auto')),
     add column token_budget integer not null default 10000 check (token_budget > 0)`,
  `alter table gateway.bindings
     add column prefix text check (prefix = '' or prefix ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
     add column tools jsonb not null default '{}' check (jsonb_typeof(tools) = 'object')`,
  // Definitions are text, not jsonb: a server may send what jsonb refuses (NUL) and numbers that drivers would round.
  `create table gateway.tool_pins (
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     server_id uuid not null references gateway.servers (id) on delete cascade,
     -- of the bindings that see the tool; empty: none
     partition text not null default '',
     tool text not null check (tool <> '' and length(tool) <= 256),
     approved_hash text,
     approved text,
     approved_at timestamptz,
     held_hash text,
     held text,
     held_at timestamptz,
     -- the definition that a person refused: not held again
     rejected_hash text,
     -- hidden characters in what is held, else in what is approved
     flags jsonb not null default '[]' check (jsonb_typeof(flags) = 'array'),
     created_at timestamptz not null default now(),
     primary key (org_id, server_id, partition, tool),
     check ((approved_hash is null) = (approved is null)),
     check ((held_hash is null) = (held is null))
   )`,
  'create index on gateway.tool_pins (server_id)',
  'alter table gateway.tool_pins enable row level security',
  'alter table gateway.tool_pins force row level security',
  `create policy tool_pins_own on gateway.tool_pins to gatehouse_app
     using (org_id = ${ownOrganization}) with check (org_id = ${ownOrganization})`,
  `create policy tool_pins_platform on gateway.tool_pins to gatehouse_platform
     using (${platformScope}) with check (${platformScope})`,
  'create policy tool_pins_operator on gateway.tool_pins for select to gatehouse_operator using (true)',
  'create policy tool_pins_owner on gateway.tool_pins to current_user using (true) with check (true)',
  'grant select, insert, update, delete on gateway.tool_pins to gatehouse_app, gatehouse_platform',
  'grant select on gateway.tool_pins to gatehouse_operator',
  `create trigger check_server_owner before insert or update on gateway.tool_pins
     for each row execute function gateway.check_server_owner()`,
  // What waits changes nothing for callers: a server that changes its tools all the time keeps no replica busy.
  `create function gateway.announce_tool_pins() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$ begin
     perform gateway.announce('organization', coalesce(new.org_id, old.org_id)::text);
     return null;
   end $$`,
  `create constraint trigger announce after insert or delete or update of approved_hash, rejected_hash
     on gateway.tool_pins deferrable initially deferred
     for each row execute function gateway.announce_tool_pins()`,
  'set constraints all deferred',
];
