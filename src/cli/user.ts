/** `user`: local accounts. */
import type { RouteOutput } from '#admin/contract.ts';
import { type Connection, type ConnectOptions, connect } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { printJson } from './output.ts';
import { openPrompts } from './prompts.ts';
import { printTable } from './table.ts';

interface Options extends ConnectOptions {
  readonly json?: boolean;
}

interface PasswordOptions extends Options {
  readonly passwordStdin?: boolean;
}

interface CreateOptions extends PasswordOptions {
  readonly name?: string;
  readonly email?: string;
  readonly org?: string;
  readonly roles: readonly string[];
}

export async function createUser(io: Io, username: string, options: CreateOptions): Promise<void> {
  if (options.roles.length > 0 && options.org === undefined) throw new UsageError('--roles needs --org');
  const password = await readPassword(io, options);
  await connected(io, options, async (connection) => {
    const made = await connection.call('createAccount', {
      username,
      ...(options.name !== undefined && { name: options.name }),
      ...(options.email !== undefined && { email: options.email }),
      ...(options.org !== undefined && { organization: options.org, roles: [...options.roles] }),
      ...(password !== undefined && { password }),
    });
    printPassword(io, made, options);
  });
}

export function listUsers(io: Io, options: Options): Promise<void> {
  return connected(io, options, async (connection) => {
    const items = await connection.list('listAccounts', {});
    if (options.json) return printJson(io, items);
    printTable(
      io,
      ['USERNAME', 'NAME', 'STATE', 'LAST SIGN-IN'],
      items.map((item) => [
        item.username,
        item.name ?? '-',
        item.active ? 'active' : 'deactivated',
        item.lastSignInAt ?? '-',
      ]),
    );
  });
}

export function deactivateUser(io: Io, username: string, options: Options): Promise<void> {
  return connected(io, options, async (connection) => {
    const account = await connection.call('deactivateAccount', { username });
    if (options.json) printJson(io, account);
    else io.err(`Deactivated ${account.username}: its sessions and tokens are ended.\n`);
  });
}

export async function setUserPassword(io: Io, username: string, options: PasswordOptions): Promise<void> {
  const password = await readPassword(io, options);
  await connected(io, options, async (connection) => {
    const input = { username, ...(password !== undefined && { password }) };
    printPassword(io, await connection.call('setAccountPassword', input), options);
  });
}

/** Never a flag: other users of the machine see the arguments of every process. */
async function readPassword(io: Io, { passwordStdin }: PasswordOptions): Promise<string | undefined> {
  if (!passwordStdin) return undefined;
  const prompts = openPrompts(io);
  try {
    return await prompts.required(io.inIsTerminal ? 'Password: ' : '', { hidden: true });
  } finally {
    prompts.close();
  }
}

function printPassword(io: Io, made: RouteOutput<'createAccount'>, { json }: Options): void {
  if (json) {
    printJson(io, made);
  } else if (made.password === null) {
    io.err(`${made.username} can sign in with the password given.\n`);
  } else {
    io.out(`${made.password}\n`);
    io.err(`This is the password of ${made.username}. It is shown once: keep it now.\n`);
  }
}

async function connected(io: Io, options: Options, work: (connection: Connection) => Promise<void>): Promise<void> {
  const connection = await connect(io, options);
  try {
    await work(connection);
  } finally {
    await connection.close();
  }
}
