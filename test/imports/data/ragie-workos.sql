-- Collections as the Ragie/WorkOS gateway keeps them, with a few rows that it should never have let in.
create table collections (
  id uuid primary key default gen_random_uuid(), name text not null, organization_id text not null, mcp_server_url text,
  partition text, ragie_api_key text, allowed_roles jsonb, filters jsonb,
  created_at timestamp default now(), updated_at timestamp default now());
insert into collections (name, organization_id, partition, ragie_api_key, allowed_roles, filters, created_at) values
  ('policies', 'org_123', 'soc2', '{{KEY_A}}', '["admin","member"]', '{"department":"legal"}', '2025-01-01'),
  ('policies', 'org_123', 'newer', '{{KEY_A}}', '["admin"]', null, '2025-01-02'),
  ('open', 'org_123', 'everyone', '{{KEY_B}}', '"*"', null, '2025-01-03'),
  ('policies', 'ORG_123', 'theirs', '{{KEY_B}}', '["admin"]', null, '2025-01-04'),
  ('../etc/passwd', 'org_123', 'p', '{{KEY_A}}', '"*"', null, '2025-01-05'),
  ('foreign', 'org_123', 'p', '{{KEY_FOREIGN}}', '"*"', null, '2025-01-06'),
  ('broken', 'org_123', 'p', 'bm90IGEgY2lwaGVydGV4dA==', '"*"', null, '2025-01-07'),
  ('roles', 'org_123', 'p', '{{KEY_A}}', '{"admin":true}', null, '2025-01-08'),
  ('filters', 'org_123', 'p', '{{KEY_A}}', '["admin"]', '["department"]', '2025-01-09'),
  ('no-partition', 'org_123', null, '{{KEY_A}}', '["admin"]', null, '2025-01-10');
