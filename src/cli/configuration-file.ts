/** A file for `plan` and `apply`: its structured part as the admin API takes it, checked here where lines are known. */
import { resolve } from 'node:path';
import { configurationDocument } from '#admin/configuration-nouns.ts';
import type { RouteInput } from '#admin/contract.ts';
import { explain } from '#config/explain.ts';
import { readStructured } from '#config/load.ts';
import { settingError } from '#core/error.ts';
import type { Io } from './io.ts';

export type Document = RouteInput<'planConfiguration'>['document'];

export interface DocumentFile {
  readonly document: Document;
  /** Settings of the gateway itself, which a plan says nothing of. */
  readonly ignored: readonly string[];
}

const sections = new Set(Object.keys(configurationDocument.shape));

/** Throws GatehouseError `setting` with the file's line. */
export function readDocumentFile(io: Io, file: string): DocumentFile {
  const { yaml, path, env } = readStructured(io, file);
  const given = yaml.value as Readonly<Record<string, unknown>>;
  const limits = given.limits;
  const rules =
    typeof limits === 'object' && limits !== null && 'rules' in limits ? { rules: limits.rules } : undefined;
  const entries = Object.entries(given).filter(([name]) => sections.has(name) && name !== 'limits');
  const raw = { ...Object.fromEntries(entries), ...(rules && { limits: rules }) };
  const parsed = configurationDocument.safeParse(raw);
  if (!parsed.success) throw settingError(explain(parsed.error, raw, env, yaml));
  const ignored = Object.keys(given).filter((name) => !sections.has(name));
  // What was checked goes as it was written: parsed, its secrets would not travel.
  return { document: inlined(io, path, raw) as Document, ignored };
}

/** A path means this machine: the document goes along. */
function inlined(io: Io, path: string, raw: Readonly<Record<string, unknown>>): unknown {
  if (!Array.isArray(raw.servers)) return raw;
  const servers = raw.servers.map((server: { readonly openapi?: { readonly file?: string } }) => {
    const name = server.openapi?.file;
    if (name === undefined) return server;
    const document = io.readFile(resolve(path, '..', name));
    if (document === undefined) throw settingError(`There is no file ${name}: correct servers.openapi.file`);
    const { file: _file, ...openapi } = server.openapi ?? {};
    return { ...server, openapi: { ...openapi, document } };
  });
  return { ...raw, servers };
}
