/**
 * Schema `mcp_proxy` as operators of the older gateway know it (S3.16, S3.17), over our tables: `tenant_id` is a server in
 * some and a group in others, as it was. The views see what their reader's role may see. Rows of real tables of these names
 * are taken over, as far as they can be; the tables stay beside the views with a suffix.
 */
interface View {
  readonly name: string;
  readonly query: string;
  /** INSTEAD OF these; none: reading only. */
  readonly writes?: { readonly name: string; readonly events: string };
}

const group = 'join gateway.groups g on g.org_id = x.org_id and g.id = x.group_id';
const organization = 'join gateway.organizations o on o.id = x.org_id and o.deleted_at is null';
const email = 'coalesce(x.email, lower(gateway.member_email(x.org_id, x.user_id)))';
const server = 'join gateway.servers s on s.id = x.server_id';

const views: readonly View[] = [
  {
    name: 'user_group_membership',
    query: `select ${email} as user_email, g.name as group_name, min(x.created_at) as created_at,
        min(x.created_at) as updated_at, o.slug as organization
      from gateway.group_members x ${group} ${organization}
      where x.key_id is null and ${email} is not null
      group by 1, 2, o.slug`,
    writes: { name: 'write_membership', events: 'insert or delete' },
  },
  {
    name: 'group_tenant_mapping',
    query: `select g.name as group_name, s.key as tenant_id, x.created_at, o.slug as organization
      from gateway.grants x ${group} ${organization} ${server}`,
    writes: { name: 'write_mapping', events: 'insert or delete' },
  },
  {
    name: 'tenant_server_keys',
    query: `select g.name as tenant_id, s.key as server_id, x.key_name, k.sealed as api_key_encrypted, x.created_at,
        greatest(x.updated_at, k.updated_at) as updated_at, o.slug as organization
      from gateway.server_routes x ${group} ${organization} ${server}
      join gateway.credentials k on k.id = x.credential_id and k.org_id = x.org_id`,
  },
  {
    name: 'tenant_server_endpoints',
    query: `select g.name as tenant_id, s.key as server_id, x.url as endpoint_url, x.created_at, x.updated_at,
        o.slug as organization
      from gateway.server_routes x ${group} ${organization} ${server} where x.url is not null`,
  },
  {
    name: 'user_tenant_access',
    query: `select ${email} as user_email, s.key as tenant_id,
        case when x.tools is null then 'full' else 'limited' end as access_level, x.created_at, o.slug as organization
      from gateway.grants x ${organization} ${server} where x.group_id is null and ${email} is not null`,
  },
  {
    name: 'user_admin_status',
    query: `select ${email} as user_email, bool_or(g.builtin) as is_admin, o.slug as organization
      from gateway.group_members x ${group} ${organization}
      where x.key_id is null and ${email} is not null group by 1, o.slug`,
  },
  {
    name: 'api_analytics',
    query: `select x.seq as id, x.user_email, x.method, x.endpoint, x.status_code, x.response_time_ms, x.user_agent,
        x.client_ip, x.timestamp from gateway.usage x`,
  },
  {
    name: 'user_server_access',
    query: `select m.user_email, m.group_name, t.tenant_id as server_id, m.organization
      from mcp_proxy.user_group_membership m
      join mcp_proxy.group_tenant_mapping t on t.group_name = m.group_name and t.organization = m.organization
      union select a.user_email, null, a.tenant_id, a.organization from mcp_proxy.user_tenant_access a`,
  },
  {
    name: 'group_summary',
    query: `select x.name as group_name,
        (select count(*) from mcp_proxy.user_group_membership m where m.group_name = x.name and m.organization = o.slug)
          as user_count,
        (select count(*) from mcp_proxy.group_tenant_mapping t where t.group_name = x.name and t.organization = o.slug)
          as server_count, o.slug as organization
      from gateway.groups x ${organization}`,
  },
];

/** The application's role learns addresses of its own organization only; whoever may read the table learns them all. */
const memberEmail = `create function gateway.member_email(of_org uuid, of_user uuid) returns text
  language sql stable security definer set search_path = pg_catalog as $$
    select u.email from gateway.users u
    where u.id = of_user
      and (current_setting('role') <> 'gatehouse_app' or of_org = nullif(current_setting('app.org', true), '')::uuid)
      and (exists (select from gateway.members m where m.org_id = of_org and m.user_id = of_user)
        or exists (select from gateway.group_members m where m.org_id = of_org and m.user_id = of_user)
        or exists (select from gateway.grants m where m.org_id = of_org and m.user_id = of_user))
  $$`;

/** The one named, else the only one. A gateway that has none yet gets the one that its settings will name. */
const chooseOrganization = `create function gateway.mcp_proxy_organization(asked text) returns uuid
  language plpgsql set search_path = pg_catalog as $$
  declare found uuid[];
  begin
    select array_agg(o.id) into found from gateway.organizations o
      where o.deleted_at is null and (asked is null or asked in (o.slug, o.external_id, o.id::text));
    if cardinality(found) = 1 then return found[1]; end if;
    if asked is not null then raise exception 'there is no organization %', asked using errcode = '23503'; end if;
    if found is null then
      insert into gateway.organizations (slug, name) values ('default', 'Default') returning array[id] into found;
      return found[1];
    end if;
    raise exception 'there are several organizations: name one in the column organization' using errcode = '23502';
  end $$`;

const namedServer = `create function gateway.mcp_proxy_server(org uuid, asked text) returns uuid
  language plpgsql set search_path = pg_catalog as $$
  declare found uuid;
  begin
    select s.id into found from gateway.servers s where s.key = asked and (s.org_id = org or s.org_id is null)
      order by s.org_id nulls last limit 1;
    if found is null then raise exception 'there is no server %', asked using errcode = '23503'; end if;
    return found;
  end $$`;

const namedGroup = `create function gateway.mcp_proxy_group(org uuid, asked text) returns uuid
  language plpgsql set search_path = pg_catalog as $$
  declare found uuid;
  begin
    insert into gateway.groups (org_id, name) values (org, asked) on conflict do nothing;
    select g.id into found from gateway.groups g where g.org_id = org and lower(g.name) = lower(asked);
    return found;
  end $$`;

/** A group that isn't there is made, as it was by the first of its rows; the last one's removal leaves it. */
const writeMembership = `create function gateway.write_membership() returns trigger language plpgsql security definer
  set search_path = pg_catalog as $$
  declare org uuid;
  begin
    if tg_op = 'DELETE' then
      delete from gateway.group_members x using gateway.groups g, gateway.organizations o
        where g.id = x.group_id and o.id = x.org_id and o.slug = old.organization and g.name = old.group_name
          and x.key_id is null
          and coalesce(x.email, lower(gateway.member_email(x.org_id, x.user_id))) = old.user_email;
      return old;
    end if;
    org := gateway.mcp_proxy_organization(new.organization);
    new.user_email := lower(new.user_email);
    insert into gateway.group_members (org_id, group_id, email)
      values (org, gateway.mcp_proxy_group(org, new.group_name), new.user_email) on conflict do nothing;
    return new;
  end $$`;

const writeMapping = `create function gateway.write_mapping() returns trigger language plpgsql security definer
  set search_path = pg_catalog as $$
  declare org uuid; target uuid;
  begin
    if tg_op = 'DELETE' then
      delete from gateway.grants x using gateway.groups g, gateway.organizations o, gateway.servers s
        where g.id = x.group_id and o.id = x.org_id and s.id = x.server_id
          and o.slug = old.organization and g.name = old.group_name and s.key = old.tenant_id;
      return old;
    end if;
    org := gateway.mcp_proxy_organization(new.organization);
    target := gateway.mcp_proxy_server(org, new.tenant_id);
    insert into gateway.grants (org_id, group_id, server_id)
      values (org, gateway.mcp_proxy_group(org, new.group_name), target) on conflict do nothing;
    -- A mapping was all it took: enabled, unless somebody has decided about it.
    insert into gateway.enablements (org_id, server_id) values (org, target) on conflict do nothing;
    return new;
  end $$`;

/** Table → what of a row is taken over; a row that can't be taken stays in the renamed table only. */
const absorbed: readonly (readonly [table: string, statement: string])[] = [
  [
    'user_group_membership',
    `insert into mcp_proxy.user_group_membership (user_email, group_name) select $1 ->> 'user_email', $1 ->> 'group_name'`,
  ],
  [
    'group_tenant_mapping',
    `insert into mcp_proxy.group_tenant_mapping (group_name, tenant_id) select $1 ->> 'group_name', $1 ->> 'tenant_id'`,
  ],
  [
    'user_tenant_access',
    `insert into gateway.grants (org_id, email, server_id)
       select o, lower($1 ->> 'user_email'), gateway.mcp_proxy_server(o, $1 ->> 'tenant_id')
       from gateway.mcp_proxy_organization(null) o on conflict do nothing`,
  ],
  [
    'api_analytics',
    `insert into gateway.usage (id, org_id, timestamp, user_email, method, endpoint, status_code, response_time_ms,
         bytes_in, bytes_out, user_agent, client_ip, open)
       select gateway.uuidv7(), gateway.mcp_proxy_organization(null), ($1 ->> 'timestamp')::timestamptz,
         $1 ->> 'user_email', $1 ->> 'method', $1 ->> 'endpoint', ($1 ->> 'status_code')::integer,
         coalesce(($1 ->> 'response_time_ms')::double precision, 0), 0, 0, $1 ->> 'user_agent',
         coalesce($1 ->> 'client_ip', ''), false`,
  ],
];

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** May be called again, once servers are there: rows that were taken change nothing. How many stay behind. */
const absorb = `create function gateway.absorb_mcp_proxy() returns integer language plpgsql
  set search_path = pg_catalog as $$
  declare line jsonb; step text[]; left_over integer := 0;
  begin
    foreach step slice 1 in array array[${absorbed.map(([table, statement]) => `array[${literal(table)}, ${literal(statement)}]`).join(', ')}] loop
      if to_regclass('mcp_proxy.' || step[1] || '_absorbed') is null then continue; end if;
      -- Counted once: these have no names by which they could be found again.
      if step[1] = 'api_analytics' and exists (select from gateway.usage) then continue; end if;
      for line in execute format('select to_jsonb(t) from mcp_proxy.%I t', step[1] || '_absorbed') loop
        begin
          execute step[2] using line;
        exception when integrity_constraint_violation or data_exception then
          left_over := left_over + 1;
          raise notice 'a row of mcp_proxy.%_absorbed stays there only: %', step[1], sqlerrm;
        end;
      end loop;
    end loop;
    return left_over;
  end $$`;

const names = views.map(({ name }) => name);
const readers = 'gatehouse_app, gatehouse_platform, gatehouse_operator';

/** Keys of the older gateway stand in its table as they are: they are sealed by whoever enters them here again. */
const make = `do $$
  declare one text; kind "char";
  begin
    if to_regnamespace('mcp_proxy') is null then
      if not has_database_privilege(current_database(), 'CREATE') then
        raise notice 'no right to create a schema: the views in mcp_proxy are left out';
        return;
      end if;
      create schema mcp_proxy;
    elsif not has_schema_privilege(current_user, 'mcp_proxy', 'CREATE') then
      raise notice 'no right to create in schema mcp_proxy: its views are left out';
      return;
    end if;
    foreach one in array array[${names.map(literal).join(', ')}] loop
      select c.relkind into kind from pg_class c where c.oid = to_regclass('mcp_proxy.' || one);
      if kind in ('r', 'p') then execute format('alter table mcp_proxy.%I rename to %I', one, one || '_absorbed');
      elsif kind = 'v' then execute format('alter view mcp_proxy.%I rename to %I', one, one || '_absorbed');
      end if;
      kind := null;
    end loop;
    ${views
      .map(
        ({ name, query, writes }) => `
    execute $view$ create view mcp_proxy.${name} with (security_invoker = true) as ${query} $view$;
    execute 'grant select on mcp_proxy.${name} to ${readers}';
    ${
      writes
        ? `execute 'create trigger ${writes.name} instead of ${writes.events} on mcp_proxy.${name}
      for each row execute function gateway.${writes.name}()';
    execute 'grant insert, delete on mcp_proxy.${name} to gatehouse_operator';`
        : ''
    }`,
      )
      .join('')}
    execute 'grant usage on schema mcp_proxy to ${readers}';
    perform gateway.absorb_mcp_proxy();
  end $$`;

export const mcpProxy: readonly string[] = [
  'set constraints all immediate',
  // Counts up: what "the last ten" are ordered by.
  'alter table gateway.usage add column seq bigint generated always as identity',
  'create unique index usage_seq on gateway.usage (seq)',
  memberEmail,
  'revoke execute on function gateway.member_email(uuid, uuid) from public',
  `grant execute on function gateway.member_email(uuid, uuid) to ${readers}`,
  chooseOrganization,
  namedServer,
  namedGroup,
  writeMembership,
  writeMapping,
  absorb,
  ...[
    'mcp_proxy_organization(text)',
    'mcp_proxy_server(uuid, text)',
    'mcp_proxy_group(uuid, text)',
    'write_membership()',
    'write_mapping()',
    'absorb_mcp_proxy()',
  ].map((name) => `revoke execute on function gateway.${name} from public`),
  make,
  'set constraints all deferred',
];
