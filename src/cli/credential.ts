/** `credential`: what a group (or everybody else) reaches a server with. Values are read from variables and never printed. */
import { type Connection, type ConnectOptions, connect } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { chooseOrganization } from './organization.ts';
import { printJson } from './output.ts';
import { printTable } from './table.ts';

interface Options extends ConnectOptions {
  readonly org?: string;
  readonly json?: boolean;
}

interface PlaceOptions extends Options {
  readonly group?: string;
  readonly keyName?: string;
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

export function listCredentials(io: Io, options: Options & { readonly server?: string }): Promise<void> {
  return connected(io, options, async (connection, organization) => {
    const { server } = options;
    const items = await connection.list('listCredentials', { organization, ...(server && { server }) });
    if (options.json) return printJson(io, items);
    const rows = items.map((item) => [
      item.server,
      item.group ?? '(everybody else)',
      item.keyName || '-',
      item.configured ? 'Configured' : '-',
      item.url ?? '-',
    ]);
    printTable(io, ['SERVER', 'GROUP', 'KEY NAME', 'CREDENTIAL', 'URL'], rows);
  });
}

interface SetOptions extends PlaceOptions {
  readonly valueEnv?: string;
  readonly header?: string;
  readonly template?: string;
  readonly endpoint?: string;
  readonly keep?: boolean;
}

export function setCredential(io: Io, server: string, options: SetOptions): Promise<void> {
  const { header, template = '{}', endpoint, keep = false } = options;
  const credential = options.valueEnv === undefined ? undefined : readVariable(io, options.valueEnv);
  return connected(io, options, async (connection, organization) => {
    const set = await connection.call('setCredential', {
      ...{ organization, server, ...placeOf(options), keepCredential: keep },
      ...(credential !== undefined && { credential }),
      ...(header !== undefined && { header: { name: header, template } }),
      ...(endpoint !== undefined && { url: endpoint }),
    });
    if (options.json) printJson(io, set);
    else io.err(`${set.group ?? 'Everybody else'} now has its own way to ${set.server}.\n`);
  });
}

export function removeCredential(io: Io, server: string, options: PlaceOptions): Promise<void> {
  return connected(io, options, async (connection, organization) => {
    const removed = await connection.call('removeCredential', { organization, server, ...placeOf(options) });
    if (options.json) printJson(io, removed);
    else io.err(`${removed.group ?? 'Everybody else'} no longer has its own way to ${removed.server}.\n`);
  });
}

const placeOf = ({ group, keyName }: PlaceOptions) => ({
  ...(group !== undefined && { group }),
  ...(keyName !== undefined && { keyName }),
});

/** Never a flag: other users of the machine see the arguments of every process. */
function readVariable(io: Io, variable: string): string {
  const value = io.env[variable];
  if (value) return value;
  throw new UsageError(`${variable} is not set: export it with the secret in it`);
}
