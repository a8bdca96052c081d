-- The tables of the Fastify gateway with Clerk and Prisma, in Prisma's camel case where its documents have it, with rows nobody wants.
create table organizations (
  id uuid primary key, "clerkId" text unique not null, name text not null, slug text not null, "deletedAt" timestamptz);
insert into organizations values
  ('00000000-0000-4000-8000-000000000001', 'org_acme', 'Acme', 'acme', null),
  ('00000000-0000-4000-8000-000000000002', 'org_beta', 'Beta', 'Beta Ltd.', null),
  ('00000000-0000-4000-8000-000000000003', 'org_admin', 'Admin', 'admin', null),
  ('00000000-0000-4000-8000-000000000004', 'org_gone', 'Gone', 'gone', now()),
  ('00000000-0000-4000-8000-000000000005', 'org_empty', 'Empty', 'empty', null),
  ('00000000-0000-4000-8000-000000000006', 'not an id!', 'Bad', 'bad', null);
create table mcp_servers (id text primary key, "serverKey" text unique not null, name text, "isActive" boolean default true, url text);
insert into mcp_servers values
  ('s1', 'notes', 'Notes', true, '{{UPSTREAM}}/notes'), ('s2', 'files', 'Files', true, '{{UPSTREAM}}/files'),
  ('s3', 'sleeping', 'Sleeping', false, '{{UPSTREAM}}/sleeping'), ('s4', 'code-only', null, true, null),
  ('s5', 'linear', null, true, null), ('s6', 'Bad_Key', null, true, null),
  ('s7', 'inside', null, true, 'http://169.254.169.254/');
create table organization_services (
  "organizationId" uuid, "serverId" text, enabled boolean default false, primary key ("organizationId", "serverId"));
insert into organization_services values
  ('00000000-0000-4000-8000-000000000001', 's1', true), ('00000000-0000-4000-8000-000000000001', 's2', false),
  ('00000000-0000-4000-8000-000000000001', 's3', true), ('00000000-0000-4000-8000-000000000001', 's5', true),
  ('00000000-0000-4000-8000-000000000002', 's2', true), ('00000000-0000-4000-8000-000000000004', 's1', true),
  ('00000000-0000-4000-8000-000000000001', 's4', true);
create table users (id text primary key, clerk_id text unique, email text, name text, deleted_at timestamptz);
insert into users values
  ('u1', 'user_ann', 'Ann@Acme.example', 'Ann', null), ('u2', 'user_bob', 'nonsense', null, null),
  ('u3', 'user_gone', 'gone@acme.example', 'Gone', now());
create table organization_memberships (user_id text, organization_id uuid, role text, permissions jsonb);
insert into organization_memberships values
  ('u1', '00000000-0000-4000-8000-000000000001', 'admin', '[]'), ('u2', '00000000-0000-4000-8000-000000000001', 'viewer', '[]'),
  ('u1', '00000000-0000-4000-8000-000000000002', 'member', '[]'), ('u3', '00000000-0000-4000-8000-000000000001', 'member', '[]'),
  ('u1', '00000000-0000-4000-8000-000000000003', 'ROOT; --', '[]');
create table api_keys (
  id text primary key, "organizationId" uuid, name text, key_hash text, scopes text[], expires_at timestamptz,
  last_used_at timestamptz, revoked_at timestamptz);
insert into api_keys (id, "organizationId", name, key_hash, scopes, expires_at, revoked_at) values
  ('k1', '00000000-0000-4000-8000-000000000001', 'reader', encode(sha256('reader-key-of-acme-0123456789'), 'hex'), '{mcp:read}', null, null),
  ('k2', '00000000-0000-4000-8000-000000000001', 'deploy bot', '{{HASH}}', '{}', '2999-01-01', null),
  ('k3', '00000000-0000-4000-8000-000000000001', 'late', encode(sha256('late-key-of-acme-0123456789'), 'hex'), '{}', '2020-01-01', null),
  ('k4', '00000000-0000-4000-8000-000000000001', 'revoked', encode(sha256('revoked-key-of-acme-012345'), 'hex'), '{}', null, now()),
  ('k5', null, 'homeless', encode(sha256('homeless-key-0123456789'), 'hex'), '{}', null, null),
  ('k6', '00000000-0000-4000-8000-000000000001', 'in the clear', 'not-a-hash-but-the-key-itself', '{}', null, null),
  ('k7', '00000000-0000-4000-8000-000000000004', 'of the gone', encode(sha256('gone-key-0123456789012345'), 'hex'), '{}', null, null);
create table audit_logs (id serial, action text);
insert into audit_logs (action) values ('CREATED'), ('ACCESSED');
create table sessions (id text, token text);
insert into sessions values ('x', 'session-token-of-somebody');
