/** The entries that there are: ours, and those of the operator's own files, which go before. */
import { z } from 'zod';
import { settingError } from '#core/error.ts';
import { type CatalogEntry, catalogEntry } from './entry.ts';
import { programEntries } from './program-entries.ts';
import { remoteEntries } from './remote-entries.ts';

const parsed = new Map([...remoteEntries, ...programEntries].map((entry) => [entry.key, catalogEntry.parse(entry)]));

export const builtinCatalog: readonly CatalogEntry[] = [...parsed.values()].sort((a, b) => (a.key < b.key ? -1 : 1));

/** Names of variables that turn a server of the catalogue on, or say where it is. */
export const catalogVariables = (catalog: readonly CatalogEntry[]): readonly string[] => [
  ...new Set(
    catalog.flatMap(({ variable, aliases, urlVariable }) => [
      ...(variable === undefined ? [] : [variable, ...aliases]),
      ...(urlVariable === undefined ? [] : [urlVariable]),
    ]),
  ),
];

const extraFile = z.strictObject({ servers: z.array(catalogEntry).max(1000) });
const maxCharacters = 1_048_576;

/** A file of entries, in JSON. Throws GatehouseError `setting`. */
export function parseCatalogFile(text: string, name: string): readonly CatalogEntry[] {
  if (text.length > maxCharacters) throw settingError(`The catalogue ${name} is larger than 1 MiB: split it`);
  const file = extraFile.safeParse(readJson(text, name));
  if (file.success) return file.data.servers;
  const [issue] = file.error.issues;
  throw settingError(`The catalogue ${name} is wrong at ${issue?.path.join('.') || 'its top'}: ${issue?.message}`);
}

/** Of two with the same key the later one is it. */
export function mergeCatalogs(...catalogs: readonly (readonly CatalogEntry[])[]): readonly CatalogEntry[] {
  const byKey = new Map(catalogs.flat().map((entry) => [entry.key, entry]));
  return [...byKey.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function readJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw settingError(`The catalogue ${name} is no JSON: it is {"servers":[…]}`);
  }
}
