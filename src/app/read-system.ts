/** Another gateway's data, by whatever way it is reached, through the reader of its kind. */
import { readClerk } from '#admin/imports/systems/clerk.ts';
import { type GivenFile, readEntraToolhive } from '#admin/imports/systems/entra-toolhive.ts';
import type { Found } from '#admin/imports/systems/found.ts';
import { entriesIn, readGithubOauth } from '#admin/imports/systems/github-oauth.ts';
import type { System } from '#admin/imports/systems/names.ts';
import { readOpenWebui } from '#admin/imports/systems/open-webui.ts';
import { readRagieDatabase, readRagieMapping } from '#admin/imports/systems/ragie-workos.ts';
import type { ServerPlaces } from '#admin/imports/systems/resolve-servers.ts';
import { slug } from '#admin/nouns.ts';
import { checkOrganizationName } from '#admin/routes/organizations.ts';
import { adviseSetting } from '#config/advise.ts';
import { parseDotenv } from '#config/dotenv.ts';
import type { Config } from '#config/load.ts';
import { readMapping } from '#config/mapping.ts';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { Secret } from '#core/secret.ts';
import { addressGuard } from '#http/address-guard.ts';
import { checkTarget } from '#http/check-target.ts';
import { scopes } from '#oauth/authorization-server.ts';
import { parseClientMetadata } from '#oauth/registration/client-metadata.ts';
import { s0Opener } from '#records/s0-ciphertext.ts';
import { type ForeignDatabase, openForeignDatabase } from './foreign-database.ts';
import { readForeignRedis } from './foreign-redis.ts';
import { readGivenFiles } from './given-files.ts';
import type { OpenRecords } from './open-records.ts';

export interface ImportWish {
  readonly system: System;
  /** URLs, and paths made absolute. */
  readonly sources: readonly string[];
  /** Where the other system has but one; slug or id. */
  readonly organization: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Text of a file; undefined: there is none. */
  readonly readFile: (path: string) => string | undefined;
}

export interface Reading {
  readonly found: Found;
  close(): Promise<void>;
}

/** Each reads with what it needs of this gateway. */
const readers: Readonly<Record<System, (reading: ReadDeps) => Promise<Reading>>> = {
  'open-webui': readFromOpenWebui,
  'ragie-workos': readFromRagie,
  clerk: readFromClerk,
  'entra-toolhive': readFromEntra,
  'github-oauth': readFromGithubOauth,
};

export interface ReadDeps {
  readonly config: Config;
  readonly wish: ImportWish;
  readonly opened: OpenRecords;
}

/** Throws GatehouseError. */
export const readSystem = (deps: ReadDeps): Promise<Reading> => readers[deps.wish.system](deps);

async function readFromOpenWebui({ config, wish, opened }: ReadDeps): Promise<Reading> {
  const organization = await chooseOrganization(opened, wish.organization);
  const places = await placesOf(config, opened, organization);
  return readDatabase(wish, (source) => readOpenWebui(source, { ...places, organization }));
}

async function readFromClerk({ config, wish, opened }: ReadDeps): Promise<Reading> {
  const places = await placesOf(config, opened);
  // Prisma's addresses name the schema.
  const [url = ''] = wish.sources;
  const schema = (URL.canParse(url) && new URL(url).searchParams.get('schema')) || 'public';
  return readDatabase(wish, (source) => readClerk(source, { ...places, schema, nowMs: systemClock.now() }));
}

/** Files and folders. Values of workloads' secrets are in no export: they may be in the variables of whoever runs this. */
async function readFromEntra({ config, wish, opened }: ReadDeps): Promise<Reading> {
  const organization = await chooseOrganization(opened, wish.organization);
  const files = readGivenFiles(wish.sources);
  const settings = settingsIn(files);
  const places = await placesOf(config, opened, organization);
  const secrets = { ...settings, ...wish.env };
  const found = await readEntraToolhive(files, { ...places, organization, settings, secrets, adviseSetting });
  return { found, close: async () => undefined };
}

/** Its Redis by URL, and files: `.env`, a backup of what stood in Redis. */
async function readFromGithubOauth({ wish }: ReadDeps): Promise<Reading> {
  const isRedis = (source: string) => /^rediss?:\/\//.test(source);
  const files = readGivenFiles(wish.sources.filter((source) => !isRedis(source)));
  const entries = new Map(entriesIn(files));
  for (const url of wish.sources.filter(isRedis))
    for (const [key, value] of await readForeignRedis(new Secret(url), 'oauth:')) entries.set(key, value);
  const found = readGithubOauth(entries, {
    ...{ nowMs: systemClock.now(), settings: settingsIn(files), adviseSetting },
    parseMetadata: (body) => ({ ...parseClientMetadata(body, { scopes, defaultAuthMethod: 'none' }) }),
  });
  return { found, close: async () => undefined };
}

const settingsIn = (files: readonly GivenFile[]): Readonly<Record<string, string | undefined>> =>
  Object.assign(
    {},
    ...files.filter(({ path }) => /(?:^|\/)\.env$/.test(path)).map(({ text }) => parseDotenv(text, {})),
  );

/** A mapping file or, of the generation after it, a database. */
async function readFromRagie({ config, wish }: ReadDeps): Promise<Reading> {
  const { ragieBaseUrl, secrets } = config;
  const [path = ''] = wish.sources;
  if (!isDatabaseUrl(path)) {
    const mapping = readMapping({ MAPPING_FILE: path }, '/', wish.readFile);
    return { found: readRagieMapping(mapping, { ragieBaseUrl }), close: async () => undefined };
  }
  const keys = [secrets.encryptionKey, ...secrets.previousKeys].flatMap((key) => key?.reveal() ?? []);
  const [first = '', ...older] = keys;
  const openCiphertext = s0Opener(first, ...older);
  return readDatabase(wish, (source) => readRagieDatabase(source, { ragieBaseUrl, openCiphertext }));
}

/** It stays open until everything in it has been read. */
async function readDatabase(
  { sources }: ImportWish,
  read: (source: ForeignDatabase) => Promise<Found>,
): Promise<Reading> {
  const source = await openForeignDatabase(databaseUrl(sources));
  try {
    return { found: await read(source), close: source.close };
  } catch (thrown) {
    await source.close();
    throw thrown;
  }
}

const isDatabaseUrl = (text: string): boolean => /^postgres(?:ql)?:\/\//.test(text);

function databaseUrl(sources: readonly string[]): Secret {
  const [url = '', ...more] = sources;
  if (more.length === 0 && isDatabaseUrl(url)) return new Secret(url);
  throw new GatehouseError('bad_request', {
    message: 'Give the address of its database: postgresql://…, or env:NAME for the variable that has it',
  });
}

/** The one that is named, made where there is none of that slug; else the only one; where there is none, `default` will be. */
async function chooseOrganization({ records }: OpenRecords, asked: string | undefined): Promise<string> {
  if (asked !== undefined) {
    const found = await records.findOrganization(asked);
    if (found) return found.slug;
    if (!slug.safeParse(asked).success)
      throw bad('--org must be the slug or id of an organization, or a slug for a new one');
    checkOrganizationName(asked);
    return asked;
  }
  const [first, ...more] = await records.listOrganizations();
  if (!first) return 'default';
  if (more.length === 0) return first.slug;
  throw bad(`Say into which organization: --org ${[first, ...more].map((one) => one.slug).join(' | ')}`);
}

const bad = (message: string) => new GatehouseError('bad_request', { message });

/** `ref`: whose own servers count beside the platform's. */
async function placesOf(config: Config, { records }: OpenRecords, ref?: string): Promise<ServerPlaces> {
  const organization = ref === undefined ? undefined : await records.findOrganization(ref);
  const rows = organization ? await records.listServersOf(organization.id) : await records.listServers();
  const guard = addressGuard(config.egress);
  return {
    servers: new Map(rows.map(({ key, keyName }) => [key, keyName ?? ''])),
    catalog: config.settledCatalog.entries,
    checkUrl: (url) => checkTarget(guard, url),
  };
}
