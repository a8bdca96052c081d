/**
 * Writers announce by trigger, so nothing that writes (psql too) can forget it. Triggers are deferred to the commit:
 * the counter's lock is held for moments only, in commit order, and cannot deadlock with the rows of the change.
 * The notification carries the counter, so that a listener knows when it missed one.
 */
const announced: readonly (readonly [table: string, events: string, change: string])[] = [
  ['organizations', 'insert or update or delete', `'organization', coalesce(new.id, old.id)::text`],
  ['servers', 'insert or update or delete', `'server', coalesce(new.org_id, old.org_id)::text`],
  ['enablements', 'insert or update or delete', `'organization', coalesce(new.org_id, old.org_id)::text`],
  ['collections', 'insert or update or delete', `'organization', coalesce(new.org_id, old.org_id)::text`],
  ['bindings', 'insert or update or delete', `'organization', coalesce(new.org_id, old.org_id)::text`],
  ['credentials', 'insert or update or delete', `'organization', coalesce(new.org_id, old.org_id)::text`],
  ['organization_keys', 'update or delete', `'organization', coalesce(new.org_id, old.org_id)::text`],
  [
    'api_keys',
    'insert or delete or update of org_id, name, digest, roles, endpoints, expires_at, revoked_at',
    `'key', coalesce(new.id, old.id)`,
  ],
  ['session_revocations', 'insert', `'session', new.digest, (extract(epoch from new.expires_at) * 1000)::bigint`],
  ['settings', 'insert or update or delete', `'everything', null`],
];

const triggers = announced.flatMap(([table, events, change]) => [
  `create function gateway.announce_${table}() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$ begin perform gateway.announce(${change}); return null; end $$`,
  `create constraint trigger announce after ${events} on gateway.${table}
     deferrable initially deferred for each row execute function gateway.announce_${table}()`,
]);

export const changes: readonly string[] = [
  `create table gateway.change_counter (
     single boolean primary key default true check (single),
     value bigint not null default 0
   )`,
  'insert into gateway.change_counter default values',
  'grant select on gateway.change_counter to gatehouse_app, gatehouse_platform, gatehouse_operator',
  // A platform server (no organization) concerns everybody. One count per transaction, however many rows it wrote.
  `create function gateway.announce(kind text, id text, expires_at bigint default null) returns void
     language plpgsql security definer set search_path = pg_catalog as $$
   declare counted bigint;
   begin
     if current_setting('app.counted', true) is distinct from pg_current_xact_id()::text then
       update gateway.change_counter set value = value + 1;
       perform set_config('app.counted', pg_current_xact_id()::text, true);
     end if;
     select value into counted from gateway.change_counter;
     perform pg_notify('gatehouse', json_strip_nulls(json_build_object(
       'kind', case when kind = 'server' and id is null then 'everything' when kind = 'server' then 'organization' else kind end,
       'id', id, 'expiresAt', expires_at, 'count', counted))::text);
   end $$`,
  'revoke execute on function gateway.announce(text, text, bigint) from public',
  ...triggers,
];
