/**
 * The trail, so that whoever changes it is found out: rows form a chain per writer process and organization, heads say how
 * long each chain is, checkpoints are signed. The gateway's roles insert and read; the two changes that are allowed (an
 * open row is closed, rows that are old enough go with a signed tombstone) are functions that check what they are asked.
 * What says who somebody is stands outside the chain, a keyed digest of it inside: erasing a person breaks nothing.
 */
const ownOrganization = `(select nullif(current_setting('app.org', true), '')::uuid)`;
const platformScope = `(select current_setting('app.scope', true) = 'platform')`;

const isolated = (table: string): readonly string[] => [
  `alter table gateway.${table} enable row level security`,
  `alter table gateway.${table} force row level security`,
  `create policy ${table}_read on gateway.${table} for select to gatehouse_app using (org_id = ${ownOrganization})`,
  `create policy ${table}_platform on gateway.${table} to gatehouse_platform
     using (${platformScope}) with check (${platformScope})`,
  `create policy ${table}_operator on gateway.${table} for select to gatehouse_operator using (true)`,
  `create policy ${table}_owner on gateway.${table} to current_user using (true) with check (true)`,
  `grant select on gateway.${table} to gatehouse_app, gatehouse_operator`,
];

const erasable = ['subject', 'email', 'client_address', 'user_agent', 'target'];
/** A pseudonym takes the place of the subject. */
const sameOrErased = erasable.map(
  (column) =>
    `(new.${column} is null or new.${column} is not distinct from old.${column}${column === 'subject' ? ` or new.subject like 'erased:%'` : ''})`,
);

export const audit: readonly string[] = [
  'set constraints all immediate',
  `alter table gateway.audit
     add column kind text not null default 'call' check (kind in ('call', 'sign_in', 'admin', 'credential', 'security')),
     -- of events: what was done, such as key.create, and to what
     add column action text,
     add column target text,
     -- what the decision was made by, and a keyed digest of the arguments
     add column policy_version text,
     add column argument_digest text,
     -- sealed, only where the organization chose so; of no use without the audit key
     add column content text,
     add column detail jsonb,
     -- keyed digests of who (issuer, subject, e-mail) and of the circumstances (address, program, target)
     add column person text,
     add column circumstances text,
     add column erased_at timestamptz,
     -- place in the chain, hexadecimal SHA-256; a row that was written open has a second one of its end
     add column writer uuid,
     add column seq bigint,
     add column prev_hash text,
     add column hash text,
     add column close_writer uuid,
     add column close_seq bigint,
     add column close_prev_hash text,
     add column close_hash text,
     alter column client_address drop not null`,
  `create unique index audit_chain on gateway.audit (writer, org_id, seq) nulls not distinct where writer is not null`,
  `create unique index audit_close_chain on gateway.audit (close_writer, org_id, close_seq) nulls not distinct
     where close_writer is not null`,
  'create index on gateway.audit (org_id, kind, at desc)',
  `create table gateway.audit_writers (
     id uuid primary key,
     key_id text not null,
     public_key text not null,
     started_at timestamptz not null,
     seen_at timestamptz not null,
     closed_at timestamptz,
     -- another process has noted that it ended without a word
     lost_at timestamptz
   )`,
  'grant select, insert, update on gateway.audit_writers to gatehouse_platform',
  'grant select on gateway.audit_writers to gatehouse_app, gatehouse_operator',
  `create table gateway.audit_heads (
     writer uuid not null references gateway.audit_writers (id),
     org_id uuid,
     seq bigint not null,
     hash text not null,
     checkpoint_seq bigint not null default 0,
     checkpoint_at timestamptz not null default now(),
     unique nulls not distinct (writer, org_id)
   )`,
  ...isolated('audit_heads'),
  'grant select, insert, update on gateway.audit_heads to gatehouse_platform',
  `create table gateway.audit_checkpoints (
     id uuid primary key,
     kind text not null check (kind in ('checkpoint', 'tombstone')),
     writer uuid not null references gateway.audit_writers (id),
     org_id uuid,
     seq bigint not null,
     hash text not null,
     -- tombstone: how many rows went
     removed bigint not null default 0,
     at timestamptz not null,
     key_id text not null,
     -- Ed25519 over the fields above, base64url
     signature text not null
   )`,
  'create index on gateway.audit_checkpoints (org_id, writer, seq)',
  'create index on gateway.audit_checkpoints (at)',
  ...isolated('audit_checkpoints'),
  'grant select, insert on gateway.audit_checkpoints to gatehouse_platform',
  // How far each receiver of the trail has got, by chain; only one replica sends to it at a time.
  `create table gateway.audit_exports (
     sink text primary key,
     holder uuid,
     leased_until timestamptz not null default '-infinity'
   )`,
  'grant select, insert, update on gateway.audit_exports to gatehouse_platform',
  'grant select on gateway.audit_exports to gatehouse_operator',
  `create table gateway.audit_export_cursors (
     sink text not null references gateway.audit_exports (sink) on delete cascade,
     writer uuid not null,
     org_id uuid,
     seq bigint not null,
     unique nulls not distinct (sink, writer, org_id)
   )`,
  ...isolated('audit_export_cursors'),
  'grant select, insert, update on gateway.audit_export_cursors to gatehouse_platform',
  'revoke update on gateway.audit from gatehouse_platform',
  'drop trigger keep_closed on gateway.audit',
  'drop function gateway.keep_closed()',
  `create function gateway.keep_closed() returns trigger language plpgsql set search_path = pg_catalog as $$ begin
     if (to_jsonb(new) - '{${erasable.join(',')},erased_at}'::text[]) = (to_jsonb(old) - '{${erasable.join(',')},erased_at}'::text[])
       and ${sameOrErased.join(' and ')} then
       new.erased_at := coalesce(old.erased_at, now());
       new.client_address := null;
       new.user_agent := null;
       return new;
     end if;
     if not old.open then raise exception 'a closed record of the audit trail is final' using errcode = '42501'; end if;
     return new;
   end $$`,
  // Of whom was acted on, once they are gone.
  `create function gateway.erase_target() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$ begin
     update gateway.audit a set target = null where lower(a.target) in (lower(old.email), lower(old.username), old.id::text);
     return null;
   end $$`,
  `create trigger erase_target after delete on gateway.users for each row execute function gateway.erase_target()`,
  `create trigger keep_closed before update on gateway.audit for each row execute function gateway.keep_closed()`,
  `create function gateway.close_audit(batch jsonb) returns bigint language sql security definer
     set search_path = pg_catalog as $$
     with closed as (
       update gateway.audit kept set open = false, decision = ended.decision, reason = ended.reason,
         status = ended.status, duration_ms = ended."durationMs", upstream_ms = ended."upstreamMs",
         bytes_in = ended."bytesIn", bytes_out = ended."bytesOut", detail = ended.detail, content = ended.content,
         close_writer = ended.writer, close_seq = ended.seq, close_prev_hash = ended."prevHash", close_hash = ended.hash
       from jsonb_to_recordset(batch) as ended (id uuid, decision text, reason text, status integer,
         "durationMs" double precision, "upstreamMs" double precision, "bytesIn" bigint, "bytesOut" bigint,
         detail jsonb, content text, writer uuid, seq bigint, "prevHash" text, hash text)
       where kept.id = ended.id and kept.open
       returning 1
     ) select count(*) from closed
   $$`,
  'revoke execute on function gateway.close_audit(jsonb) from public',
  'grant execute on function gateway.close_audit(jsonb) to gatehouse_platform',
  // Rows go only below a tombstone, and only whole: a row whose end stands in a later part of a chain stays.
  `create function gateway.prune_audit(tombstone uuid) returns bigint language plpgsql security definer
     set search_path = pg_catalog as $$
   declare stone record; removed bigint;
   begin
     select * into stone from gateway.audit_checkpoints where id = tombstone and kind = 'tombstone';
     if not found then raise exception 'no such tombstone' using errcode = '42501'; end if;
     delete from gateway.audit a where a.writer = stone.writer and a.org_id is not distinct from stone.org_id
       and a.seq <= stone.seq
       and (a.close_writer is null or (a.close_writer = stone.writer and a.close_seq <= stone.seq));
     get diagnostics removed = row_count;
     return removed;
   end $$`,
  'revoke execute on function gateway.prune_audit(uuid) from public',
  'grant execute on function gateway.prune_audit(uuid) to gatehouse_platform',
  // What the organization lets be kept of arguments: nothing, a keyed digest, or redacted and sealed.
  `alter table gateway.organizations add column audit_content text not null default 'digest'
     check (audit_content in ('none', 'digest', 'redacted'))`,
  'grant update (audit_content) on gateway.organizations to gatehouse_app',
  `alter table gateway.usage add column tokens_saved integer not null default 0, add column reason text`,
  'create index on gateway.usage (org_id, server, timestamp desc)',
  'set constraints all deferred',
];
