/** Clients of the authorization server that operators register: programs that act as themselves or for people. */
const ownOrganization = `(select nullif(current_setting('app.org', true), '')::uuid)`;
const platformScope = `(select current_setting('app.scope', true) = 'platform')`;

export const programClients: readonly string[] = [
  `create table gateway.program_clients (
     id text primary key check (id like 'prg\\_%'),
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     name text not null check (name <> ''),
     -- sha-256 of a secret of 256 random bits; null: it signs assertions with one of its keys
     secret_digest text,
     jwks jsonb,
     grants jsonb not null default '[]' check (jsonb_typeof(grants) = 'array'),
     scopes jsonb not null default '[]' check (jsonb_typeof(scopes) = 'array'),
     roles jsonb not null default '[]' check (jsonb_typeof(roles) = 'array'),
     redirect_uris jsonb not null default '[]' check (jsonb_typeof(redirect_uris) = 'array'),
     -- resources whose tokens it may introspect
     introspects jsonb not null default '[]' check (jsonb_typeof(introspects) = 'array'),
     -- issuer of an authorization server that identity assertions may be made for -> its client id there
     assertion_audiences jsonb not null default '{}' check (jsonb_typeof(assertion_audiences) = 'object'),
     created_at timestamptz not null default now(),
     unique (org_id, name),
     check (secret_digest is not null or jwks is not null)
   )`,
  'alter table gateway.program_clients enable row level security',
  'alter table gateway.program_clients force row level security',
  `create policy program_clients_own on gateway.program_clients to gatehouse_app
     using (org_id = ${ownOrganization}) with check (org_id = ${ownOrganization})`,
  `create policy program_clients_platform on gateway.program_clients to gatehouse_platform
     using (${platformScope}) with check (${platformScope})`,
  'create policy program_clients_operator on gateway.program_clients for select to gatehouse_operator using (true)',
  'create policy program_clients_owner on gateway.program_clients to current_user using (true) with check (true)',
  'grant select, insert, update, delete on gateway.program_clients to gatehouse_app, gatehouse_platform',
  'grant select on gateway.program_clients to gatehouse_operator',
  // A removed client's tokens end with it, whoever removes it: their shadows announce it to every replica.
  `create function gateway.end_program_client() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$
     begin delete from gateway.oauth_records where client_id = old.id; return null; end $$`,
  `create trigger end_tokens after delete on gateway.program_clients
     for each row execute function gateway.end_program_client()`,
];
