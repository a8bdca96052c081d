/** `catalog`: well-known servers, and how each is added. Keys are read from variables, files or asked for: never a flag. */
import type { RouteOutput } from '#admin/contract.ts';
import { type Connection, type ConnectOptions, connect } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { chooseOrganization } from './organization.ts';
import { printable, printJson } from './output.ts';
import { openPrompts } from './prompts.ts';
import { printTable } from './table.ts';

interface Options extends ConnectOptions {
  readonly org?: string;
  readonly json?: boolean;
}

type Work = (connection: Connection, organization: string) => Promise<void>;

async function connected(io: Io, options: Options, work: Work): Promise<void> {
  const connection = await connect(io, options);
  try {
    await work(connection, await chooseOrganization(connection, options.org));
  } finally {
    await connection.close();
  }
}

export function listCatalog(io: Io, options: Options): Promise<void> {
  return connected(io, options, async (connection, organization) => {
    const items = await connection.list('listCatalog', { organization });
    if (options.json) return printJson(io, items);
    const rows = items.map((item) => [
      ...[item.key, item.title, item.kind, item.auth],
      item.variable ?? item.urlVariable ?? '-',
      item.enabled ? 'on' : 'off',
    ]);
    printTable(io, ['KEY', 'TITLE', 'KIND', 'AUTH', 'VARIABLE', 'HERE'], rows);
  });
}

export function showEntry(io: Io, key: string, options: Options): Promise<void> {
  return connected(io, options, async (connection, organization) => {
    const entry = await connection.call('getCatalogEntry', { organization, key });
    if (options.json) return printJson(io, entry);
    const { title, description, documentation, note, url, command } = entry;
    const lines = [
      ...[title, description, documentation, url ?? command ?? `needs its address: ${entry.urlVariable}`],
      ...(entry.variable === null ? [] : [`on with ${entry.variable}`]),
      ...(note === null ? [] : [note]),
      ...(entry.verified ? [] : ['Not looked up at its vendor: check it first.']),
    ];
    io.out(lines.map((line) => `${printable(line)}\n`).join(''));
  });
}

interface AddOptions extends Options {
  readonly as?: string;
  readonly keyEnv?: string;
  readonly keyFile?: string;
  readonly endpoint?: string;
  readonly allMembers?: boolean;
  readonly yes?: boolean;
}

export function addEntry(io: Io, key: string, options: AddOptions): Promise<void> {
  return connected(io, options, async (connection, organization) => {
    const entry = await connection.call('getCatalogEntry', { organization, key });
    const credential = await readKey(io, entry, options);
    const added = await connection.call('addCatalogServer', {
      ...{ organization, key, allMembers: options.allMembers ?? false },
      consent: await agreed(io, entry.command === null ? [] : [entry.command], options.yes ?? false),
      ...(options.as !== undefined && { as: options.as }),
      ...(credential !== undefined && { credential }),
      ...(options.endpoint !== undefined && { url: options.endpoint }),
    });
    if (options.json) printJson(io, added);
    else io.err(`Added ${added.server}: POST /${added.organization}/mcp/${added.server}\n`);
  });
}

async function readKey(
  io: Io,
  { auth, title }: RouteOutput<'getCatalogEntry'>,
  { keyEnv, keyFile }: AddOptions,
): Promise<string | undefined> {
  if (auth !== 'key' && auth !== 'variable') return undefined;
  if (keyEnv !== undefined) {
    const value = io.env[keyEnv];
    if (!value) throw new UsageError(`${keyEnv} is not set: export it with the key in it`);
    return value;
  }
  if (keyFile !== undefined) {
    const value = io.readFile(keyFile)?.trim();
    if (!value) throw new UsageError(`There is no key in ${keyFile}`);
    return value;
  }
  const prompts = openPrompts(io);
  try {
    return await prompts.required(`Key for ${printable(title)}: `, { hidden: true });
  } finally {
    prompts.close();
  }
}

/** Commands in full, before any of them is run. Throws UsageError where nobody agrees. */
export async function agreed(io: Io, commands: readonly string[], yes: boolean): Promise<string[]> {
  if (commands.length === 0) return [];
  io.err(`This runs on the machine of the gateway:\n${commands.map((one) => `  ${printable(one)}\n`).join('')}`);
  if (yes) return [...commands];
  const prompts = openPrompts(io);
  try {
    if (/^y(es)?$/i.test(await prompts.required('Run it? (yes or no) '))) return [...commands];
  } finally {
    prompts.close();
  }
  throw new UsageError('Nothing was made');
}
