/**
 * `public.collections` in the shape that older gateways' tools know (S0.25), over our tables: reading sees what the
 * reader's role may see, writing goes through one definer function that only operators and the owner may reach.
 * A ciphertext written here is kept as it is, marked `s0.`, and sealed anew when next written through us.
 */
const collectionColumns =
  'id, name, organization_id, partition, ragie_api_key, allowed_roles, filters, created_at, updated_at';

const view = `create view public.collections with (security_invoker = true) as
  select c.id, c.name, coalesce(o.external_id, o.slug) as organization_id, b.partition,
    regexp_replace(k.sealed, '^s0\\.', '') as ragie_api_key, c.allowed_roles,
    b.enforced #> '{retrieve,filter}' as filters, c.created_at, c.updated_at
  from gateway.collections c
  join gateway.organizations o on o.id = c.org_id and o.deleted_at is null
  join gateway.bindings b on b.collection_id = c.id and b.org_id = c.org_id
  join gateway.servers s on s.id = b.server_id and s.org_id is null and s.key = 'ragie'
  left join gateway.credentials k on k.id = b.credential_id and k.org_id = b.org_id`;

/** By external id, slug or UUID; made with a slug of its own when unknown. */
const organizationFunction = `create function gateway.organization_named(asked text) returns uuid language plpgsql
  set search_path = pg_catalog as $$
  declare found uuid; wanted text; free text; n integer := 1;
  begin
    -- Two that make the same one at once: the second waits here, then finds it.
    perform pg_advisory_xact_lock(hashtext('gateway.organization_names'));
    select o.id into found from gateway.organizations o
      where o.external_id = asked or o.slug = asked or o.id::text = lower(asked)
      order by (o.id::text = lower(asked)) desc, (o.slug = asked) desc limit 1;
    if found is not null then
      if exists (select from gateway.organizations o where o.id = found and o.deleted_at is not null) then
        raise exception 'organization % is deleted', asked using errcode = '23503';
      end if;
      return found;
    end if;
    wanted := trim(both '-' from left(regexp_replace(lower(asked), '[^a-z0-9]+', '-', 'g'), 56));
    if wanted = '' then wanted := 'organization'; end if;
    free := wanted;
    while exists (select from gateway.organizations o where o.slug = free or o.external_id = free) loop
      n := n + 1;
      free := wanted || '-' || n;
    end loop;
    insert into gateway.organizations (slug, external_id, name) values (free, asked, asked) returning id into found;
    return found;
  end $$`;

const serverFunction = `create function gateway.ragie_server() returns uuid language plpgsql
  set search_path = pg_catalog as $$
  declare found uuid;
  begin
    insert into gateway.servers (key, title, transport) values ('ragie', 'Ragie',
      '{"kind": "http", "url": "https://api.ragie.ai/mcp/{partition}/"}')
      on conflict (org_id, key) do nothing;
    select s.id into found from gateway.servers s where s.org_id is null and s.key = 'ragie';
    return found;
  end $$`;

const writeFunction = `create function gateway.write_collection() returns trigger language plpgsql security definer
  set search_path = pg_catalog as $$
  declare org uuid; server uuid; credential uuid;
  begin
    if tg_op <> 'INSERT' then
      select b.credential_id into credential from gateway.bindings b
        join gateway.servers s on s.id = b.server_id and s.org_id is null and s.key = 'ragie'
        where b.collection_id = old.id;
    end if;
    if tg_op = 'DELETE' then
      delete from gateway.collections c where c.id = old.id;
      delete from gateway.credentials k where k.id = credential
        and not exists (select from gateway.bindings b where b.credential_id = k.id);
      return old;
    end if;
    if new.allowed_roles is null or new.partition is null or new.ragie_api_key is null then
      raise exception 'partition, ragie_api_key and allowed_roles are required' using errcode = '23502';
    end if;
    if tg_op = 'UPDATE' and (new.id is distinct from old.id or new.organization_id is distinct from old.organization_id) then
      raise exception 'id and organization_id of a collection cannot change' using errcode = '0A000';
    end if;
    org := gateway.organization_named(new.organization_id);
    server := gateway.ragie_server();
    new.updated_at := now();
    if tg_op = 'INSERT' then
      new.id := coalesce(new.id, gateway.uuidv7());
      new.created_at := coalesce(new.created_at, now());
      insert into gateway.collections (id, org_id, name, allowed_roles, created_at)
        values (new.id, org, new.name, new.allowed_roles, new.created_at);
      insert into gateway.credentials (org_id, sealed) values (org, 's0.' || new.ragie_api_key) returning id into credential;
      insert into gateway.bindings (org_id, collection_id, server_id, partition, credential_id)
        values (org, new.id, server, new.partition, credential);
    else
      update gateway.collections c set name = new.name, allowed_roles = new.allowed_roles, updated_at = now()
        where c.id = old.id;
      if new.ragie_api_key is distinct from old.ragie_api_key then
        update gateway.credentials k set sealed = 's0.' || new.ragie_api_key, updated_at = now() where k.id = credential;
      end if;
    end if;
    -- A filters value of SQL or JSON null means none.
    update gateway.bindings b set partition = new.partition, updated_at = now(), enforced =
      case when coalesce(jsonb_typeof(new.filters), 'null') <> 'null'
        then b.enforced || jsonb_build_object('retrieve', coalesce(b.enforced -> 'retrieve', '{}')
          || jsonb_build_object('filter', new.filters))
        else b.enforced #- '{retrieve,filter}' end
      where b.collection_id = new.id and b.server_id = server;
    -- Enabled only where nobody has decided yet: an administrator's switch stays as it is.
    insert into gateway.enablements (org_id, server_id, enabled) values (org, server, true) on conflict do nothing;
    return new;
  end $$`;

/** A real table of the old shape: renamed, its rows put through the view. A row that cannot be taken stays there. */
const absorb = `do $$
  declare line jsonb; taken text := 'collections_absorbed'; n integer := 1;
  begin
    if not has_schema_privilege(current_user, 'public', 'CREATE') then
      raise notice 'no right to create in schema public: the view public.collections is left out';
      return;
    end if;
    if exists (select from pg_class where oid = to_regclass('public.collections') and relkind not in ('r', 'p')) then
      raise notice 'public.collections is not a table: it is left as it is';
      return;
    end if;
    if to_regclass('public.collections') is not null then
      if (select count(*) from pg_attribute where attrelid = 'public.collections'::regclass
            and attname in ('name', 'organization_id', 'partition', 'ragie_api_key', 'allowed_roles')) < 5 then
        raise notice 'public.collections has another shape: it is left as it is';
        return;
      end if;
      while to_regclass('public.' || taken) is not null loop
        n := n + 1;
        taken := 'collections_absorbed_' || n;
      end loop;
      execute format('alter table public.collections rename to %I', taken);
    else
      taken := null;
    end if;
    execute $view$ ${view} $view$;
    execute 'create trigger write_collection instead of insert or update or delete on public.collections
      for each row execute function gateway.write_collection()';
    execute 'grant select on public.collections to gatehouse_app, gatehouse_platform';
    execute 'grant select, insert, update, delete on public.collections to gatehouse_operator';
    if taken is null then return; end if;
    for line in execute format('select to_jsonb(t) from public.%I t order by to_jsonb(t) ->> ''created_at''', taken) loop
      begin
        execute 'insert into public.collections (${collectionColumns}) select ${collectionColumns}
          from jsonb_populate_record(null::public.collections, $1)' using line;
      exception when unique_violation or check_violation or not_null_violation then
        raise notice 'collection % of % stays in public.% only: %',
          line ->> 'name', line ->> 'organization_id', taken, sqlerrm;
      end;
    end loop;
  end $$`;

export const collectionsView: readonly string[] = [
  organizationFunction,
  serverFunction,
  writeFunction,
  'revoke execute on function gateway.write_collection() from public',
  'revoke execute on function gateway.organization_named(text) from public',
  'revoke execute on function gateway.ragie_server() from public',
  'grant execute on function gateway.organization_named(text), gateway.ragie_server() to gatehouse_platform',
  absorb,
];
