/** People and what acts for nobody: domains, service accounts, workload identities, invitations, and erasing a person. */
import { isolated } from './isolated.ts';

/** Whose row it is by subject: at an issuer where they are known by it, or without another address where nobody can say. */
const isTheirs = (email: 'email' | 'user_email') => `(a.subject = any (subjects) and (
         (known is null or a.issuer is null) and (a.${email} is null or lower(a.${email}) = address)
         or lower(a.${email}) = address
         or known @> jsonb_build_array(jsonb_build_object('issuer', a.issuer, 'subject', a.subject))))`;

export const people: readonly string[] = [
  'set constraints all immediate',
  // A host name whose `/mcp` is this organization's.
  `alter table gateway.organizations add column domain text unique
     check (domain = lower(domain) and domain ~ '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?$')`,
  // service: signs in nowhere; its API keys and the workloads that are trusted for it act as it.
  `alter table gateway.users add column kind text not null default 'person' check (kind in ('person', 'service'))`,
  // Whoever runs an organization's own identity provider can claim any address: it counts in that organization only. No
  // reference: once that one is gone the address counts nowhere.
  'alter table gateway.users add column email_org uuid',
  'alter table gateway.api_keys add column user_id uuid references gateway.users (id) on delete cascade',
  'create index on gateway.api_keys (user_id)',
  // Somebody who becomes a member when they first sign in with this address, verified.
  `create table gateway.invitations (
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     email text not null check (email = lower(email) and email <> '' and length(email) <= 320),
     roles jsonb not null default '[]' check (jsonb_typeof(roles) = 'array'),
     created_at timestamptz not null default now(),
     primary key (org_id, email)
   )`,
  'create index on gateway.invitations (email)',
  ...isolated('invitations'),
  `create table gateway.workload_identities (
     id uuid primary key default gateway.uuidv7(),
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     user_id uuid not null references gateway.users (id) on delete cascade,
     issuer text not null check (issuer ~ '^https?://' and length(issuer) <= 2048),
     -- as it stands in the assertion; a star stands for any characters but ':' and '/'
     subject text not null check (subject <> '' and length(subject) <= 512),
     audience text not null check (audience <> '' and length(audience) <= 2048),
     created_at timestamptz not null default now(),
     unique (org_id, user_id, issuer, subject, audience)
   )`,
  'create index on gateway.workload_identities (user_id)',
  ...isolated('workload_identities'),
  // By whichever way somebody's address becomes known to be theirs.
  `create function gateway.accept_invitations() returns trigger language plpgsql security definer
     set search_path = pg_catalog as $$ begin
     insert into gateway.members (org_id, user_id, roles)
       select i.org_id, new.id, i.roles from gateway.invitations i where i.email = lower(new.email)
         and (new.email_org is null or new.email_org = i.org_id)
       on conflict do nothing;
     delete from gateway.invitations i where i.email = lower(new.email)
       and (new.email_org is null or new.email_org = i.org_id);
     return null;
   end $$`,
  `create trigger accept_invitations after insert or update of email, email_verified, email_org on gateway.users
     for each row when (new.email_verified and new.email is not null) execute function gateway.accept_invitations()`,
  // A closed record is final but for one thing: that it no longer says who it was.
  `create or replace function gateway.keep_closed() returns trigger language plpgsql set search_path = pg_catalog as $$ begin
     if not old.open and not (new.email is null and new.subject like 'erased:%'
       and to_jsonb(new) - 'email' - 'subject' = to_jsonb(old) - 'email' - 'subject') then
       raise exception 'a closed record of the audit trail is final' using errcode = '42501';
     end if;
     return new;
   end $$`,
  // Subjects are unique at one issuer only. `known` lists who they are where; null: nobody could say, and then rows with
  // another address are another person's. An address that is not proved is nobody's word against another person.
  `create function gateway.erase_person(person uuid, known jsonb default null) returns text language plpgsql security definer
     set search_path = pg_catalog as $$
   declare
     pseudonym text := 'erased:' || gen_random_uuid();
     address text;
     proved boolean;
     subjects text[];
   begin
     select lower(u.email), u.email_verified,
         array(select u.subject union select i.subject from gateway.identities i where i.user_id = u.id)
       into address, proved, subjects from gateway.users u where u.id = person for update;
     if not found then return null; end if;
     update gateway.audit a set email = null, subject = pseudonym
       where ${isTheirs('email')} or (proved and lower(a.email) = address);
     update gateway.usage a set user_email = null, subject = pseudonym
       where ${isTheirs('user_email')} or (proved and lower(a.user_email) = address);
     update gateway.audit a set target = null where a.action like 'webhook.%' and exists (
       select 1 from gateway.identities i where i.user_id = erase_person.person and i.subject = a.target
         and i.identity_provider = a.detail ->> 'provider');
     if proved then
       delete from gateway.group_members m where m.email = address;
       delete from gateway.grants g where g.email = address;
       delete from gateway.invitations i where i.email = address;
     end if;
     delete from gateway.oauth_records r where r.account_id = any (subjects);
     delete from gateway.users u where u.id = person;
     return pseudonym;
   end $$`,
  'revoke execute on function gateway.erase_person(uuid, jsonb) from public',
  'grant execute on function gateway.erase_person(uuid, jsonb) to gatehouse_platform',
  'set constraints all deferred',
];
