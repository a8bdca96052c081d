/** `catalog`: which entries of the catalogue are on, by their variables or by name, and for whom (REQUIREMENTS S3.23, S3.36). */
import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import type { CatalogServer } from '#admin/apply-catalog.ts';
import { builtinCatalog, mergeCatalogs, parseCatalogFile } from '#admin/catalog/catalog.ts';
import { definitionOf } from '#admin/catalog/definition.ts';
import { type CatalogEntry, commandLine, isPinned, isProgram, urlOf } from '#admin/catalog/entry.ts';
import { organizationRef, slug, text } from '#admin/nouns.ts';
import { settingError } from '#core/error.ts';
import { Secret } from '#core/secret.ts';
import { type Env, findUrl } from './environment.ts';
import { section } from './limits.ts';

const flag = z.preprocess(
  (value) => (value === 'true' ? true : value === 'false' ? false : value),
  z.boolean().default(false),
);

export const catalogSection = section({
  organizations: z
    .array(organizationRef)
    .default([])
    .describe('For which organizations servers of the catalogue are on. Default: the first of `organizations`.'),
  enable: z
    .array(slug)
    .default([])
    .describe('Keys of entries that are on without a variable: those without a key, or with accounts of people.'),
  programs: flag.describe('Whether variables turn on entries that run a program here, too (pinned ones only).'),
  extra: z.array(text).default([]).describe('Files with further entries, `{"servers":[…]}`; they go before ours.'),
  registryUrl: z
    .url({ protocol: /^https?$/ })
    .default('https://registry.modelcontextprotocol.io')
    .describe('Where `gatehouse import registry:…` looks.'),
});

type CatalogSection = z.output<typeof catalogSection>;

export interface SettledCatalog {
  readonly entries: readonly CatalogEntry[];
  /** To be on. */
  readonly servers: readonly CatalogServer[];
  readonly warnings: readonly string[];
}

interface Sources {
  readonly env: Env;
  /** Where relative names of files begin. */
  readonly folder: string;
  readonly readFile: (path: string) => string | undefined;
}

/** Throws GatehouseError `setting`. */
export function settleCatalog(given: CatalogSection, { env, folder, readFile }: Sources): SettledCatalog {
  const extra = given.extra.flatMap((name) => {
    const source = readFile(isAbsolute(name) ? name : resolve(folder, name));
    if (source === undefined)
      throw settingError(`The catalogue ${name} does not exist: create it or correct catalog.extra`);
    return parseCatalogFile(source, name);
  });
  const entries = mergeCatalogs(builtinCatalog, extra);
  const unknown = given.enable.find((key) => !entries.some((entry) => entry.key === key));
  if (unknown !== undefined)
    throw settingError(`catalog.enable: there is no "${unknown}" in the catalogue: see \`gatehouse catalog list\``);
  const warnings: string[] = [];
  const servers = entries.flatMap((entry) => settleEntry(entry, given, { env, warnings }) ?? []);
  return { entries, servers, warnings };
}

function settleEntry(
  entry: CatalogEntry,
  { enable, programs }: CatalogSection,
  { env, warnings }: { readonly env: Env; readonly warnings: string[] },
): CatalogServer | undefined {
  const { key, auth, urlVariable } = entry;
  const isNamed = enable.includes(key);
  const found = keyIn(entry, env);
  if (!found && !isNamed) return undefined;
  if (!found && (auth.kind === 'key' || auth.kind === 'variable'))
    throw settingError(`catalog.enable: "${key}" needs its key: set ${entry.variable}`);
  if (isProgram(entry) && !isNamed && !(programs && isPinned(entry))) {
    if (programs) warnings.push(`${found?.name} is set: "${key}" has no exact version: name it in catalog.enable`);
    return undefined;
  }
  const url = urlVariable === undefined ? undefined : findUrl(env, urlVariable);
  const definition = definitionOf(entry, { url });
  if (!definition) {
    // A token that other servers have as well says nothing of this one.
    if (isNamed) throw settingError(`catalog.enable: "${key}" needs its address: set ${urlVariable}`);
    return undefined;
  }
  return { ...definition, credential: found && new Secret(found.value), program: shownProgram(entry) };
}

function keyIn({ variable, aliases }: CatalogEntry, env: Env) {
  for (const name of variable === undefined ? [] : [variable, ...aliases]) {
    const value = env[name];
    if (value !== undefined && value.trim() !== '') return { name, value: value.trim() };
  }
  return undefined;
}

function shownProgram({ transport }: CatalogEntry): string | undefined {
  return transport.kind === 'stdio' || transport.kind === 'container' ? commandLine(transport) : undefined;
}

/** Variables that would have an effect, had their entry its address. */
export function withoutAddress(entries: readonly CatalogEntry[], env: Env): readonly string[] {
  return entries.flatMap((entry) => {
    const { key, transport, urlVariable } = entry;
    const found = keyIn(entry, env);
    const isShared = entries.filter(({ variable }) => variable === entry.variable).length > 1;
    const lacks = found && !isShared && !isProgram(entry) && urlOf(transport) === undefined && !env[urlVariable ?? ''];
    return lacks ? [`${found.name} is set, but not where "${key}" is: set ${urlVariable}`] : [];
  });
}
