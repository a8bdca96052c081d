/** How the platform's servers are run: whether what runs is still what was asked for, where each answers, and with which secrets. */
export const runs: readonly string[] = [
  // Counts up with every order to stop, start or restart: what was started under another number is ended.
  'alter table gateway.servers add column generation integer not null default 0',
  'alter table gateway.servers add column port integer check (port between 1 and 65535)',
  'create unique index servers_port on gateway.servers (port)',
  // Programs are the platform's alone, and so are their variables: no organization's role reads them.
  `create table gateway.server_variables (
     id uuid primary key default gateway.uuidv7(),
     server_id uuid not null references gateway.servers (id) on delete cascade,
     name text not null check (name ~ '^[A-Z][A-Z0-9_]{0,63}$'),
     sealed text not null,
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     unique (server_id, name)
   )`,
  'grant select, insert, update, delete on gateway.server_variables to gatehouse_platform',
];
