/** OpenAPI documents of servers: the platform's (no organization) may be used by everybody, an organization's by itself. */
import { isolated } from './isolated.ts';

export const openapi: readonly string[] = [
  'set constraints all immediate',
  `create table gateway.openapi_documents (
     id uuid primary key default gateway.uuidv7(),
     org_id uuid references gateway.organizations (id) on delete cascade,
     -- SHA-256 of the text, hexadecimal: what a server's transport names
     digest text not null check (digest ~ '^[0-9a-f]{64}$'),
     text text not null,
     title text not null,
     version text not null,
     created_at timestamptz not null default now(),
     unique nulls not distinct (org_id, digest)
   )`,
  ...isolated('openapi_documents'),
  `create policy openapi_documents_offered on gateway.openapi_documents for select to gatehouse_app
     using (org_id is null)`,
  'set constraints all deferred',
];
