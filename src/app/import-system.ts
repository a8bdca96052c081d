/** The way over from another gateway, composed: its data is read, written in one transaction, judged, and kept or undone. */
import { readClerk } from '#admin/imports/systems/clerk.ts';
import { type GivenFile, readEntraToolhive } from '#admin/imports/systems/entra-toolhive.ts';
import type { Found, LeftOut } from '#admin/imports/systems/found.ts';
import { entriesIn, readGithubOauth } from '#admin/imports/systems/github-oauth.ts';
import type { System } from '#admin/imports/systems/names.ts';
import { readOpenWebui } from '#admin/imports/systems/open-webui.ts';
import { readRagieDatabase, readRagieMapping } from '#admin/imports/systems/ragie-workos.ts';
import type { ServerPlaces } from '#admin/imports/systems/resolve-servers.ts';
import { writeFound } from '#admin/imports/systems/write.ts';
import { shownCommand } from '#admin/make-server.ts';
import { adviseSetting } from '#config/advise.ts';
import { parseDotenv } from '#config/dotenv.ts';
import type { Config } from '#config/load.ts';
import { readMapping } from '#config/mapping.ts';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { silentLog } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { withOneTransaction } from '#db/scope.ts';
import { addressGuard } from '#http/address-guard.ts';
import { checkTarget } from '#http/check-target.ts';
import { scopes } from '#oauth/authorization-server.ts';
import { digestOf } from '#oauth/record-store.ts';
import { parseClientMetadata } from '#oauth/registration/client-metadata.ts';
import { secretPlace } from '#oauth/registration/client-store.ts';
import { s0Opener } from '#records/s0-ciphertext.ts';
import { judgeChange } from './configuration.ts';
import { type ForeignDatabase, openForeignDatabase } from './foreign-database.ts';
import { readForeignRedis } from './foreign-redis.ts';
import { listingOf } from './gateway-settings.ts';
import { readGivenFiles } from './given-files.ts';
import { type OpenRecords, openRecords } from './open-records.ts';
import { openPolicyEngine } from './policy-engine.ts';
import { openOauthSealer } from './root-keys.ts';

export interface ImportWish {
  readonly system: System;
  /** URLs, and paths made absolute. */
  readonly sources: readonly string[];
  /** Where the other system has but one; slug or id. */
  readonly organization: string | undefined;
  /** Nothing of it will stay. */
  readonly dryRun: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Text of a file; undefined: there is none. */
  readonly readFile: (path: string) => string | undefined;
}

export interface ImportReport {
  readonly changes: Awaited<ReturnType<typeof judgeChange>>['changes'];
  readonly access: Awaited<ReturnType<typeof judgeChange>>['access'];
  /** What did not come along as it was, and why. */
  readonly leftOut: readonly LeftOut[];
  readonly settings: Found['settings'];
  /** Of servers that are made: what would run here. */
  readonly commands: readonly string[];
  readonly applied: boolean;
}

/** Asked between the plan and its keeping. */
export type Agree = (plan: ImportReport) => Promise<boolean>;

/** Throws GatehouseError. `agree` answers false: nothing of it stays. */
export async function importSystem(config: Config, wish: ImportWish, agree: Agree): Promise<ImportReport> {
  const opened = await openRecords(config, silentLog);
  try {
    const { found, close } = await readSystem(config, wish, opened);
    try {
      const work = () => write(config, { found, opened, agree });
      return wish.dryRun ? await work() : await onRecord(opened, wish, work);
    } finally {
      await close();
    }
  } finally {
    await opened.close();
  }
}

/** Stands in the trail before anything is changed, and with what came of it. */
async function onRecord(
  { audit }: OpenRecords,
  { system, organization }: ImportWish,
  work: () => Promise<ImportReport>,
): Promise<ImportReport> {
  const end = await audit.beginAudit({
    ...{ at: systemClock.now(), by: { kind: 'platform', isCommandLine: true }, actor: 'command line' },
    ...{ action: 'system.import', organization, target: system, outcome: 'done' },
  });
  try {
    const report = await work();
    await end('done', { changes: report.applied ? report.changes.length : 0, leftOut: report.leftOut.length });
    return report;
  } catch (thrown) {
    await end(thrown instanceof GatehouseError ? thrown.code : 'internal');
    throw thrown;
  }
}

interface Reading {
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

interface ReadDeps {
  readonly config: Config;
  readonly wish: ImportWish;
  readonly opened: OpenRecords;
}

const readSystem = (config: Config, wish: ImportWish, opened: OpenRecords): Promise<Reading> =>
  readers[wish.system]({ config, wish, opened });

async function readFromOpenWebui({ config, wish, opened }: ReadDeps): Promise<Reading> {
  const organization = await chooseOrganization(opened, wish.organization);
  const places = await placesOf(config, opened, organization);
  return readDatabase(wish, (source) => readOpenWebui(source, { ...places, organization }));
}

async function readFromClerk({ config, wish, opened }: ReadDeps): Promise<Reading> {
  const places = await placesOf(config, opened);
  return readDatabase(wish, (source) => readClerk(source, places));
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

/** The one that is named, else the only one; where there is none, `default` will be. */
async function chooseOrganization({ records }: OpenRecords, asked: string | undefined): Promise<string> {
  if (asked !== undefined) return asked;
  const [first, ...more] = await records.listOrganizations();
  if (!first) return 'default';
  if (more.length === 0) return first.slug;
  throw new GatehouseError('bad_request', {
    message: `Say into which organization: --org ${[first, ...more].map(({ slug }) => slug).join(' | ')}`,
  });
}

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

interface Writing {
  readonly found: Found;
  readonly opened: OpenRecords;
  readonly agree: Agree;
}

async function write(config: Config, { found, opened, agree }: Writing): Promise<ImportReport> {
  const { storage } = opened;
  const policies = await openPolicyEngine();
  const sealer = openOauthSealer(storage);
  return withOneTransaction(storage.db, async (db) => {
    const records = storage.recordsOf(db);
    const judging = { storage, policies, log: silentLog, db, listing: listingOf(config) };
    const { result, changes, access } = await judgeChange(judging, async () => {
      const written = await writeFound(
        {
          ...{ records, db, vault: storage.vaultOf(db), engine: policies, clock: systemClock },
          sealClientSecret: (id, secret) => sealer.seal(secretPlace(id), secret),
          digest: digestOf,
        },
        found,
      );
      return { ...written, written: [] };
    });
    const told = new Set(changes.map(({ what }) => what));
    const isShown = (what: string) => told.has(what) || /^(?:grant to|member of) group /.test(what);
    const more = result.made
      .filter((what) => !isShown(what))
      .map((what) => ({ action: 'add', what, fields: [] }) as const);
    const plan: ImportReport = {
      ...{ changes: [...changes, ...more.map((change) => ({ ...change, fields: [] }))], access },
      ...{ leftOut: [...found.leftOut, ...result.kept], settings: found.settings, applied: false },
      commands: found.servers
        .filter(({ key }) => result.made.includes(`server ${key}`))
        .flatMap(({ key, transport }) => shownCommand(transport)?.replace(/^/, `${key}: `) ?? []),
    };
    const keep = result.made.length > 0 && (await agree(plan));
    return { result: { ...plan, applied: keep }, keep };
  });
}
