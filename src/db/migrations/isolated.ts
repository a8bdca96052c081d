/** Row-level security of a table that organizations own, forced: each sees its own rows, the platform and psql see all. */
const ownOrganization = `(select nullif(current_setting('app.org', true), '')::uuid)`;
const platformScope = `(select current_setting('app.scope', true) = 'platform')`;

export const isolated = (table: string): readonly string[] => [
  `alter table gateway.${table} enable row level security`,
  `alter table gateway.${table} force row level security`,
  `create policy ${table}_own on gateway.${table} to gatehouse_app
     using (org_id = ${ownOrganization}) with check (org_id = ${ownOrganization})`,
  `create policy ${table}_platform on gateway.${table} to gatehouse_platform
     using (${platformScope}) with check (${platformScope})`,
  `create policy ${table}_operator on gateway.${table} for select to gatehouse_operator using (true)`,
  `create policy ${table}_owner on gateway.${table} to current_user using (true) with check (true)`,
  `grant select, insert, update, delete on gateway.${table} to gatehouse_app, gatehouse_platform`,
  `grant select on gateway.${table} to gatehouse_operator`,
];
