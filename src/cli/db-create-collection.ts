/** `db create-collection` (REQUIREMENTS.md S0.31 to S0.34): one Ragie partition published as a collection. */
import { checkEncryptionKey } from '#config/check.ts';
import { type Config, loadConfig } from '#config/load.ts';
import { settingError } from '#core/error.ts';
import { roleList } from './flags.ts';
import type { Io } from './io.ts';
import { printJson } from './output.ts';
import { openPrompts } from './prompts.ts';

export interface CreateRagieOptions {
  readonly name?: string;
  readonly organizationId?: string;
  readonly partition?: string;
  readonly ragieApiKey?: string;
  readonly allowedRoles?: string;
  readonly filters?: string;
  readonly json?: boolean;
}

export async function createRagieCollection(io: Io, options: CreateRagieOptions): Promise<void> {
  const answers = hasFlags(options) ? readFlags(options) : undefined;
  const config = loadDatabaseConfig(io);
  const wanted = answers ?? (await ask(io));
  const { createRagieCollection: create } = await import('#app/create-ragie-collection.ts');
  const { filters, allowedRoles, ...made } = await create(config, wanted);
  if (options.json) return printJson(io, { ...made, allowedRoles, filters: filters ?? null });
  const lines = [
    'Collection created',
    `  ID:              ${made.id}`,
    `  Name:            ${made.name}`,
    `  Organization ID: ${made.organizationId}`,
    `  Partition:       ${made.partition}`,
    `  Allowed roles:   ${allowedRoles === '*' ? '*' : allowedRoles.join(', ')}`,
    `  Filters:         ${filters === undefined ? 'none' : JSON.stringify(filters)}`,
    `  Endpoint:        ${made.endpoint}`,
  ];
  io.out(`${lines.join('\n')}\n`);
}

/** Only what the work needs: the identity provider's variables aren't asked for. */
function loadDatabaseConfig(io: Io): Config {
  const config = loadConfig({ ...io, purpose: 'database' });
  if (config.database.url === undefined) throw settingError('DATABASE_URL environment variable is required');
  if (config.secrets.encryptionKey === undefined) throw settingError('ENCRYPTION_KEY environment variable is required');
  checkEncryptionKey(config.secrets.encryptionKey.reveal());
  return config;
}

const required = [
  ['name', '--name'],
  ['organizationId', '--organization-id'],
  ['partition', '--partition'],
  ['ragieApiKey', '--ragie-api-key'],
  ['allowedRoles', '--allowed-roles'],
] as const;

function hasFlags(options: CreateRagieOptions): boolean {
  return options.filters !== undefined || required.some(([field]) => options[field] !== undefined);
}

function readFlags(options: CreateRagieOptions) {
  const flag = (field: (typeof required)[number][0]): string => {
    const value = options[field]?.trim();
    if (value) return value;
    throw settingError(`Give all of the required flags: ${required.map(([, name]) => name).join(', ')}`);
  };
  return {
    name: flag('name'),
    organizationId: flag('organizationId'),
    partition: flag('partition'),
    ragieApiKey: flag('ragieApiKey'),
    allowedRoles: parseRoles(flag('allowedRoles')),
    filters: options.filters === undefined ? undefined : parseFilters(options.filters, '--filters'),
  };
}

async function ask(io: Io) {
  const prompts = openPrompts(io);
  try {
    return {
      name: await prompts.required('Collection name: '),
      organizationId: await prompts.required('Organization ID: '),
      partition: await prompts.required('Ragie partition: '),
      ragieApiKey: await prompts.required('Ragie API key: ', { hidden: true }),
      allowedRoles: parseRoles(await prompts.required('Allowed roles (comma-separated, or * for all): ')),
      filters: await prompts.optional('Filters (JSON, empty for none): ', (text) => parseFilters(text, 'Filters')),
    };
  } finally {
    prompts.close();
  }
}

function parseRoles(text: string): '*' | readonly string[] {
  const roles = roleList(text);
  if (roles === '*' || roles.length > 0) return roles;
  throw settingError('--allowed-roles must be "*" or a comma-separated list of roles');
}

function parseFilters(text: string, what: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    throw settingError(`${what} must be valid JSON, such as {"department":"legal"}`);
  }
  throw settingError(`${what} must be valid JSON: one object, such as {"department":"legal"}`);
}
