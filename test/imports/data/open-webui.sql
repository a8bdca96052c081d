-- A small tool gateway for Open WebUI as its operators run it, beside Open WebUI's own tables; some rows are as bad as they get.
create table public."user" (id text primary key, name text, email text, role text);
insert into public."user" values
  ('u1', 'Ann', 'ann@acme.example', 'user'), ('u2', 'Bob', 'Bob@Acme.example', 'user'), ('u3', 'Cy', 'cy@acme.example', 'admin');
create table public.chat (id text primary key, user_id text);
insert into public.chat values ('c1', 'u1');
create schema mcp_proxy;
create table mcp_proxy.user_group_membership (
  id serial primary key, user_email text not null, group_name text not null,
  created_at timestamptz default now(), updated_at timestamptz default now(), unique (user_email, group_name));
insert into mcp_proxy.user_group_membership (user_email, group_name) values
  ('Ann@Acme.example', 'Tenant-AcmeCorp'), ('bob@acme.example', 'MCP-GitHub'), ('cy@acme.example', 'MCP-Admin'),
  ('ann@acme.example', 'MCP-GitHub'), ('no address', 'MCP-GitHub'), ('dan@acme.example', 'bad name; drop table x');
create table mcp_proxy.group_tenant_mapping (
  group_name text not null, tenant_id text not null, created_at timestamptz default now(), primary key (group_name, tenant_id));
insert into mcp_proxy.group_tenant_mapping (group_name, tenant_id) values
  ('MCP-GitHub', 'tracker'), ('Tenant-AcmeCorp', 'tracker'), ('Tenant-AcmeCorp', 'linear'), ('Tenant-AcmeCorp', 'homemade'),
  ('MCP-GitHub', 'Not_A_Key');
create table mcp_proxy.user_tenant_access (user_email text, tenant_id text, access_level text, created_at timestamptz default now());
insert into mcp_proxy.user_tenant_access (user_email, tenant_id, access_level) values
  ('eve@acme.example', 'tracker', 'full'), ('mallory@acme.example', 'tracker', 'none');
create table mcp_proxy.tenant_server_keys (
  tenant_id text, server_id text, key_name text, api_key_encrypted text, created_at timestamptz default now(),
  primary key (tenant_id, server_id, key_name));
insert into mcp_proxy.tenant_server_keys (tenant_id, server_id, key_name, api_key_encrypted) values
  ('Tenant-AcmeCorp', 'tracker', 'TRACKER_TOKEN', 'open-secret-of-acme'),
  ('MCP-GitHub', 'tracker', 'OTHER_TOKEN', 'open-secret-that-nothing-asks-for'),
  ('MCP-GitHub', 'homemade', 'HOMEMADE_TOKEN', 'open-secret-of-nobody');
create table mcp_proxy.tenant_server_endpoints (tenant_id text, server_id text, endpoint_url text);
insert into mcp_proxy.tenant_server_endpoints values
  ('Tenant-AcmeCorp', 'tracker', '{{UPSTREAM}}'), ('MCP-GitHub', 'tracker', 'http://169.254.169.254/latest/meta-data');
create table mcp_proxy.tenant_endpoint_overrides (tenant_id text, server_id text, endpoint_url text);
insert into mcp_proxy.tenant_endpoint_overrides values ('MCP-GitHub', 'tracker', 'https://never-read.example/mcp');
create table mcp_proxy.user_admin_status (user_email text, is_admin boolean);
insert into mcp_proxy.user_admin_status values ('cy@acme.example', true);
create table mcp_proxy.tool_embeddings (id serial, tool_name text);
insert into mcp_proxy.tool_embeddings (tool_name) values ('a'), ('b');
create table mcp_proxy.api_analytics (
  id serial primary key, user_email text, method text, endpoint text, status_code integer, response_time_ms double precision,
  user_agent text, client_ip text, timestamp timestamp default now());
insert into mcp_proxy.api_analytics (user_email, method, endpoint, status_code, response_time_ms, user_agent, client_ip, timestamp)
  select 'Ann@Acme.example', 'POST', '/tracker/call/' || n, 200, 12.5, 'curl', '10.0.0.1', timestamp '2026-01-01' + n * interval '1.0001 minute'
  from generate_series(1, 1500) n;
insert into mcp_proxy.api_analytics (method, endpoint, status_code) values ('GET', '/servers', 502), ('GET', '/broken', 7);
create view mcp_proxy.group_summary as select group_name, count(*) from mcp_proxy.user_group_membership group by 1;
