/** OpenAPI documents that servers are made from. */
import type { Generated } from 'kysely';
import type { TimeDefault } from './column-types.ts';

export interface OpenApiDocumentsTable {
  id: Generated<string>;
  /** Null: the platform's. */
  org_id: string | null;
  /** SHA-256 of `text`, hexadecimal. */
  digest: string;
  text: string;
  title: string;
  version: string;
  created_at: TimeDefault;
}

export interface OpenApiSchema {
  openapi_documents: OpenApiDocumentsTable;
}
