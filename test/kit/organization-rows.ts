/**
 * Many organizations with a row of each in every table that organizations own. Names carry `nm00042x`, what nobody else may
 * ever see carries `sc00042x`.
 */
import type { TestDatabase } from './postgres.ts';

const padded = (n: number) => String(n).padStart(5, '0');
export const nameOf = (n: number): string => `nm${padded(n)}x`;
export const canaryOf = (n: number): string => `sc${padded(n)}x`;

const n = `lpad(substr(o.slug, 3, 5), 5, '0')`;
const name = `('nm' || ${n} || 'x')`;
const canary = `('sc' || ${n} || 'x')`;
const of = (from = '') => `from gateway.organizations o ${from} where o.slug ~ '^nm[0-9]{5}x$'`;
const server = 'join gateway.servers s on s.org_id = o.id';
const collection = 'join gateway.collections c on c.org_id = o.id';
const group = `join gateway.groups g on g.org_id = o.id and g.name = 'Own'`;
const user = `join gateway.users u on u.subject = o.slug`;
const writer = 'cross join gateway.audit_writers w';

/** Table → statements, in the order of their references. `{upstream}`: without path. */
const rows: Readonly<Record<string, string>> = {
  servers: `insert into gateway.servers (org_id, key, title, transport) select o.id, ${name}, ${canary},
    jsonb_build_object('kind', 'http', 'url', '{upstream}/mcp/' || ${name}) ${of()}`,
  enablements: `insert into gateway.enablements (org_id, server_id, allowed_roles)
    select o.id, s.id, '["reader"]' ${of(server)}`,
  collections: `insert into gateway.collections (org_id, name, allowed_roles) select o.id, 'c-' || ${name}, '"*"' ${of()}`,
  bindings: `insert into gateway.bindings (org_id, collection_id, server_id, partition)
    select o.id, c.id, s.id, ${canary} ${of(`${server} ${collection}`)}`,
  credentials: `insert into gateway.credentials (org_id, sealed) select o.id, ${canary} ${of()}`,
  api_keys: `insert into gateway.api_keys (id, org_id, name, digest, last4, roles)
    select ${canary}, o.id, ${canary}, '', '', '[]' ${of()}`,
  organization_keys: `insert into gateway.organization_keys (org_id, dek_id, kek_id, wrapped, state)
    select o.id, ${canary}, 'k', ${canary}, 'retired' ${of()}`,
  usage: `insert into gateway.usage (id, org_id, timestamp, user_email, method, endpoint, status_code, response_time_ms,
    bytes_in, bytes_out, client_ip, open) select gateway.uuidv7(), o.id, now(), ${canary}, 'POST', '/', 200, 1, 1, 1, '::1', false ${of()}`,
  audit: `insert into gateway.audit (id, org_id, at, request_id, email, client_address, http_method, path, decision, status,
    open, duration_ms, bytes_in, bytes_out)
    select gateway.uuidv7(), o.id, now(), ${canary}, ${canary}, '::1', 'POST', '/', 'allow', 200, false, 1, 1, 1 ${of()}`,
  members: `insert into gateway.members (org_id, user_id) select o.id, u.id ${of(user)}`,
  invitations: `insert into gateway.invitations (org_id, email) select o.id, ${canary} ${of()}`,
  workload_identities: `insert into gateway.workload_identities (org_id, user_id, issuer, subject, audience)
    select o.id, u.id, 'https://issuer.example', ${canary}, 'x' ${of(user)}`,
  program_clients: `insert into gateway.program_clients (id, org_id, name, secret_digest) select 'prg_' || ${canary}, o.id, ${canary}, ${canary} ${of()}`,
  session_states: `insert into gateway.session_states (digest, org_id, expires_at)
    select ${canary}, o.id, now() + interval '1 day' ${of()}`,
  upstream_sessions: `insert into gateway.upstream_sessions (org_id, digest, sealed, expires_at)
    select o.id, ${canary}, ${canary}, now() + interval '1 day' ${of()}`,
  tool_pins: `insert into gateway.tool_pins (org_id, server_id, tool) select o.id, s.id, ${canary} ${of(server)}`,
  groups: `insert into gateway.groups (org_id, name, title) select o.id, 'Own', ${canary} ${of()}`,
  group_members: `insert into gateway.group_members (org_id, group_id, email) select o.id, g.id, ${canary} ${of(group)}`,
  grants: `insert into gateway.grants (org_id, group_id, server_id) select o.id, g.id, s.id ${of(`${group} ${server}`)}`,
  policies: `insert into gateway.policies (org_id, name, config, mode)
    select o.id, ${canary}, '{"version":"1.0","type":"cedarv1","cedar":{"policies":["permit(principal, action, resource);"],"entities_json":"[]"}}', 'log' ${of()}`,
  server_routes: `insert into gateway.server_routes (org_id, group_id, server_id, url)
    select o.id, g.id, s.id, '{upstream}/mcp/' || ${name} || '/' || ${canary} ${of(`${group} ${server}`)}`,
  limit_rules: `insert into gateway.limit_rules (org_id, counts, points, window_seconds, tool, server_id)
    select o.id, 'organization', 1000000, 60, ${canary}, s.id ${of(server)}`,
  content_filters: `insert into gateway.content_filters (org_id, name, server_id, kind, config, action)
    select o.id, ${canary}, s.id, 'pattern', jsonb_build_object('patterns', jsonb_build_array(jsonb_build_object('name', 'own', 'expression', ${canary}))), 'flag' ${of(server)}`,
  connected_accounts: `insert into gateway.connected_accounts (id, org_id, user_id, server_id, issuer, client_id, sealed)
    select gateway.uuidv7(), o.id, u.id, s.id, 'https://issuer.example', ${canary}, ${canary} ${of(`${user} ${server}`)}`,
  connection_attempts: `insert into gateway.connection_attempts (digest, org_id, user_id, sealed, expires_at)
    select rpad(${canary}, 43, 'x'), o.id, u.id, ${canary}, now() + interval '1 day' ${of(user)}`,
  upstream_clients: `insert into gateway.upstream_clients (id, org_id, issuer, client_id, sealed, auth_method, redirect_uri)
    select gateway.uuidv7(), o.id, 'https://issuer.example', ${canary}, ${canary}, 'none', 'https://gw.example/connect' ${of()}`,
  access_requests: `insert into gateway.access_requests (org_id, user_id, server_id, reason)
    select o.id, u.id, s.id, ${canary} ${of(`${user} ${server}`)}`,
  blocked_clients: `insert into gateway.blocked_clients (org_id, client_id, blocked_by) select o.id, ${canary}, ${canary} ${of()}`,
  notification_rules: `insert into gateway.notification_rules (org_id, name, kind, events, sealed, shown)
    select o.id, ${canary}, 'webhook', '["tool.changed"]', ${canary}, ${canary} ${of()}`,
  openapi_documents: `insert into gateway.openapi_documents (org_id, digest, text, title, version)
    select o.id, encode(sha256(convert_to(${canary}, 'UTF8')), 'hex'), ${canary}, ${canary}, '1' ${of()}`,
  scim_users: `insert into gateway.scim_users (org_id, user_id, user_name, user_name_key)
    select o.id, u.id, ${canary}, ${canary} ${of(user)}`,
  audit_writers: `insert into gateway.audit_writers (id, key_id, public_key, started_at, seen_at)
    values (gateway.uuidv7(), 'k', 'k', now(), now())`,
  audit_exports: `insert into gateway.audit_exports (sink) values ('jsonl')`,
  audit_heads: `insert into gateway.audit_heads (writer, org_id, seq, hash) select w.id, o.id, 1, ${canary} ${of(writer)}`,
  audit_checkpoints: `insert into gateway.audit_checkpoints (id, kind, writer, org_id, seq, hash, at, key_id, signature)
    select gateway.uuidv7(), 'checkpoint', w.id, o.id, 1, ${canary}, now(), ${canary}, ${canary} ${of(writer)}`,
  audit_export_cursors: `insert into gateway.audit_export_cursors (sink, writer, org_id, seq)
    select e.sink, w.id, o.id, 1 ${of(`${writer} cross join gateway.audit_exports e`)}`,
};

/** Tables of the schema with an organization in each row, as the catalogue has them. */
export async function organizationTables({ sql }: Pick<TestDatabase, 'sql'>): Promise<readonly string[]> {
  const found = await sql(`select c.relname as name from pg_class c join pg_namespace s on s.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'org_id' and not a.attisdropped
    where s.nspname = 'gateway' and c.relkind in ('r', 'p') order by 1`);
  return found.map((row) => String(row.name));
}

/** Ids of the organizations, in the order of their numbers. A table that has no statement here stays empty. */
export async function seedOrganizations(
  { sql }: Pick<TestDatabase, 'sql'>,
  { count, upstream = 'http://127.0.0.1:9' }: { readonly count: number; readonly upstream?: string },
): Promise<readonly string[]> {
  await sql(
    `insert into gateway.users (subject, email) select 'nm' || lpad(i::text, 5, '0') || 'x', 'sc' || lpad(i::text, 5, '0') || 'x@example.com'
     from generate_series(0, $1 - 1) i`,
    [count],
  );
  const made = await sql(
    `insert into gateway.organizations (slug, name)
     select 'nm' || lpad(i::text, 5, '0') || 'x', 'sc' || lpad(i::text, 5, '0') || 'x'
     from generate_series(0, $1 - 1) i returning id, slug`,
    [count],
  );
  for (const statement of Object.values(rows)) await sql(statement.replaceAll('{upstream}', upstream));
  return made.toSorted((a, b) => (String(a.slug) < String(b.slug) ? -1 : 1)).map(({ id }) => String(id));
}
