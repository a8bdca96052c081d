/**
 * People who sign in and what the authorization server keeps. Bearer values (codes, refresh tokens, registration tokens)
 * are here as digests only; whatever must be read again is sealed.
 */
const platformTables = [
  'users',
  'identities',
  'local_accounts',
  'consents',
  'oauth_clients',
  'oauth_records',
  'sign_in_attempts',
  'signing_keys',
];

const ownOrganization = `(select nullif(current_setting('app.org', true), '')::uuid)`;
const platformScope = `(select current_setting('app.scope', true) = 'platform')`;

const announced: readonly (readonly [table: string, events: string, when: string, change: string])[] = [
  ['users', 'update or delete', 'true', `'user', old.id::text`],
  ['members', 'insert or update or delete', 'true', `'user', coalesce(new.user_id, old.user_id)::text`],
  // Rows that are swept after their time were dead already.
  ['oauth_records', 'delete', `old.model = 'AccessToken' and old.expires_at > now()`, `'token', old.id`],
  ['signing_keys', 'insert or update or delete', 'true', `'signing-key', coalesce(new.kid, old.kid)`],
];

const triggers = announced.flatMap(([table, events, when, change]) => [
  `create function gateway.announce_${table}() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$ begin perform gateway.announce(${change}); return null; end $$`,
  `create constraint trigger announce after ${events} on gateway.${table}
     deferrable initially deferred for each row when (${when}) execute function gateway.announce_${table}()`,
]);

export const signIn: readonly string[] = [
  `create table gateway.users (
     id uuid primary key default gateway.uuidv7(),
     -- sub of the tokens issued here: never reused, never changed
     subject text not null unique check (subject <> '' and length(subject) <= 512),
     email text,
     email_verified boolean not null default false,
     name text,
     username text,
     deactivated_at timestamptz,
     -- sign-ins before it are over: another password was set, or the person was deactivated
     signed_out_at timestamptz,
     last_sign_in_at timestamptz,
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now()
   )`,
  'create index on gateway.users (lower(email))',
  `create table gateway.identities (
     identity_provider text not null,
     subject text not null,
     user_id uuid not null references gateway.users (id) on delete cascade,
     created_at timestamptz not null default now(),
     last_sign_in_at timestamptz,
     primary key (identity_provider, subject)
   )`,
  'create index on gateway.identities (user_id)',
  `create table gateway.members (
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     user_id uuid not null references gateway.users (id) on delete cascade,
     roles jsonb not null default '[]' check (jsonb_typeof(roles) = 'array'),
     groups jsonb not null default '[]' check (jsonb_typeof(groups) = 'array'),
     -- the identity provider whose word this is; null: made here
     identity_provider text,
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     primary key (org_id, user_id)
   )`,
  'create index on gateway.members (user_id)',
  'alter table gateway.members enable row level security',
  'alter table gateway.members force row level security',
  `create policy members_own on gateway.members to gatehouse_app
     using (org_id = ${ownOrganization}) with check (org_id = ${ownOrganization})`,
  `create policy members_platform on gateway.members to gatehouse_platform
     using (${platformScope}) with check (${platformScope})`,
  'create policy members_operator on gateway.members for select to gatehouse_operator using (true)',
  'create policy members_owner on gateway.members to current_user using (true) with check (true)',
  'grant select, insert, update, delete on gateway.members to gatehouse_app, gatehouse_platform',
  `create table gateway.local_accounts (
     user_id uuid primary key references gateway.users (id) on delete cascade,
     username text not null unique check (username = lower(username) and username <> ''),
     digest text not null,
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now()
   )`,
  `create table gateway.oauth_clients (
     id text primary key,
     -- registered metadata without secrets
     metadata jsonb not null check (jsonb_typeof(metadata) = 'object'),
     secret_sealed text,
     -- sha-256 of the token that the client manages its registration with; null: made by an administrator
     registration_digest text,
     registered_from text,
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     -- null: nobody completed a sign-in through it yet
     signed_in_at timestamptz,
     expires_at timestamptz
   )`,
  'create index on gateway.oauth_clients (expires_at)',
  'create index oauth_clients_pending on gateway.oauth_clients (created_at) where signed_in_at is null',
  `create table gateway.oauth_records (
     model text not null,
     -- sha-256 of the bearer value, base64url, where the id is one
     id text not null,
     payload jsonb not null,
     client_id text,
     account_id text,
     grant_id text,
     uid text,
     user_code text,
     consumed_at timestamptz,
     expires_at timestamptz,
     primary key (model, id)
   )`,
  'create index on gateway.oauth_records (grant_id)',
  'create index on gateway.oauth_records (client_id)',
  'create index on gateway.oauth_records (account_id)',
  'create index on gateway.oauth_records (expires_at)',
  'create unique index oauth_records_uid on gateway.oauth_records (uid) where uid is not null',
  'create unique index oauth_records_user_code on gateway.oauth_records (user_code) where user_code is not null',
  `create table gateway.consents (
     user_id uuid not null references gateway.users (id) on delete cascade,
     client_id text not null,
     redirect_host text not null,
     resource text not null,
     -- sorted, space-separated
     scopes text not null,
     -- of what the client said of itself: another one asks again
     fingerprint text not null,
     created_at timestamptz not null default now(),
     primary key (user_id, client_id, redirect_host, resource)
   )`,
  `create table gateway.sign_in_attempts (
     digest text primary key,
     sealed text not null,
     expires_at timestamptz not null
   )`,
  'create index on gateway.sign_in_attempts (expires_at)',
  `create table gateway.signing_keys (
     kid text primary key,
     algorithm text not null,
     sealed text not null,
     public_jwk jsonb not null,
     state text not null check (state in ('next', 'active', 'retired')),
     created_at timestamptz not null default now(),
     changed_at timestamptz not null default now()
   )`,
  ...platformTables.map((table) => `grant select, insert, update, delete on gateway.${table} to gatehouse_platform`),
  ...['users', 'identities', 'consents', 'oauth_clients'].map(
    (table) => `grant select on gateway.${table} to gatehouse_operator`,
  ),
  'grant select on gateway.members to gatehouse_operator',
  ...triggers,
];
