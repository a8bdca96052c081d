/** Whom an organization tells what needs somebody, and how far that has got. */
import { isolated } from './isolated.ts';

export const notifications: readonly string[] = [
  `create table gateway.notification_rules (
     id uuid primary key default gateway.uuidv7(),
     org_id uuid not null references gateway.organizations (id) on delete cascade,
     name text not null check (length(name) between 1 and 128),
     kind text not null check (kind in ('webhook', 'slack', 'email')),
     events jsonb not null check (jsonb_typeof(events) = 'array'),
     -- refused calls within five minutes that are too many
     threshold integer not null default 20 check (threshold > 0),
     -- where to, and what it is signed with
     sealed text not null,
     -- of that, what people may read
     shown text not null,
     enabled boolean not null default true,
     -- what it has told of and is still so
     told jsonb not null default '[]' check (jsonb_typeof(told) = 'array'),
     failures integer not null default 0,
     checked_at timestamptz,
     retry_at timestamptz,
     sent_at timestamptz,
     failed_at timestamptz,
     failure text,
     created_at timestamptz not null default now(),
     updated_at timestamptz not null default now(),
     unique (org_id, name)
   )`,
  'create index on gateway.notification_rules (checked_at) where enabled',
  ...isolated('notification_rules'),
];
