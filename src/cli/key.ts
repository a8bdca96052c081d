import { randomUUID } from 'node:crypto';
import { type ConnectOptions, connect } from './connection.ts';
import type { Io } from './io.ts';
import { chooseOrganization } from './organization.ts';
import { printJson } from './output.ts';
import { printTable } from './table.ts';

interface KeyOptions extends ConnectOptions {
  readonly org?: string;
  readonly json?: boolean;
}

interface CreateKeyOptions extends KeyOptions {
  readonly name?: string;
  readonly roles: readonly string[];
  readonly endpoints?: readonly string[];
  readonly serviceAccount?: string;
  /** Seconds. */
  readonly expires?: number;
}

/** Data is JSON in either case: the key is for a machine to keep. */
export async function createKey(io: Io, options: CreateKeyOptions): Promise<void> {
  const connection = await connect(io, options);
  try {
    const organization = await chooseOrganization(connection, options.org);
    const created = await connection.call('createKey', {
      organization,
      // Names are unique among the good keys of an organization.
      name: options.name ?? `command line ${randomUUID().slice(0, 8)}`,
      roles: [...options.roles],
      ...(options.serviceAccount !== undefined && { serviceAccount: options.serviceAccount }),
      ...(options.endpoints && { endpoints: [...options.endpoints] }),
      ...(options.expires !== undefined && { expiresInSeconds: options.expires }),
    });
    printJson(io, created);
    if (!options.json) io.err('This key is shown once: keep it now.\n');
  } finally {
    await connection.close();
  }
}

/** People see the keys that are good; JSON and `--all` have the revoked ones too. */
export async function listKeys(io: Io, options: KeyOptions & { readonly all?: boolean }): Promise<void> {
  const connection = await connect(io, options);
  try {
    const organization = await chooseOrganization(connection, options.org);
    const items = await connection.list('listKeys', { organization });
    if (options.json) return printJson(io, items);
    const rows = items
      .filter((key) => options.all || !key.revokedAt)
      .map((key) => [
        key.id,
        key.name,
        `…${key.last4}`,
        key.roles.join(','),
        key.endpoints?.join(',') ?? '*',
        key.revokedAt ? 'revoked' : (key.expiresAt ?? 'until revoked'),
      ]);
    printTable(io, ['ID', 'NAME', 'KEY', 'ROLES', 'ENDPOINTS', 'GOOD'], rows);
  } finally {
    await connection.close();
  }
}

export async function revokeKey(io: Io, id: string, options: KeyOptions): Promise<void> {
  const connection = await connect(io, options);
  try {
    const organization = await chooseOrganization(connection, options.org);
    const revoked = await connection.call('revokeKey', { organization, id });
    if (options.json) printJson(io, revoked);
    else io.err(`Revoked ${revoked.name} (${revoked.id}).\n`);
  } finally {
    await connection.close();
  }
}

export async function rotateSigningKey(
  io: Io,
  options: ConnectOptions & { readonly json?: boolean; readonly atOnce?: boolean },
): Promise<void> {
  const connection = await connect(io, options);
  try {
    const made = await connection.call('rotateSigningKey', { atOnce: options.atOnce ?? false });
    if (options.json) printJson(io, made);
    else io.err(`The key ${made.kid} signs from ${made.signsAt} on.\n`);
  } finally {
    await connection.close();
  }
}
