/** `secrets` and `org shred`: the keys that seal. */
import { type ConnectOptions, connect } from './connection.ts';
import type { Io } from './io.ts';
import { printJson, printTable } from './output.ts';

interface Options extends ConnectOptions {
  readonly org?: string;
  readonly json?: boolean;
}

export async function showSecrets(io: Io, options: Options): Promise<void> {
  const connection = await connect(io, options);
  try {
    const found = await connection.call('getSecrets', { ...(options.org && { organization: options.org }) });
    if (options.json) return printJson(io, found);
    const rows = found.items.map(({ organization, keys, fields, staleFields, staleKeys }) => [
      organization,
      String(keys.length),
      String(staleKeys),
      String(fields),
      String(staleFields),
    ]);
    printTable(io, ['ORGANIZATION', 'DATA KEYS', 'TO REWRAP', 'FIELDS', 'TO RESEAL'], rows);
    io.err(`Data keys are wrapped by ${found.kekId}.\n`);
  } finally {
    await connection.close();
  }
}

export type Level = 'kek' | 'dek' | 'fields' | 'all';

export async function rotateSecrets(io: Io, options: Options & { readonly level: Level }): Promise<void> {
  const connection = await connect(io, options);
  try {
    const { level, org } = options;
    const done = await connection.call('rotateSecrets', { level, ...(org && { organization: org }) });
    if (options.json) return printJson(io, done);
    io.err(
      `${done.organizations} organizations: ${done.rewrapped} data keys wrapped anew, ${done.resealed} fields sealed anew, ${done.removed} old keys removed.\n`,
    );
  } finally {
    await connection.close();
  }
}

export async function shredOrganization(
  io: Io,
  organization: string,
  options: ConnectOptions & { readonly json?: boolean; readonly confirm: string },
): Promise<void> {
  const connection = await connect(io, options);
  try {
    const done = await connection.call('shredOrganization', { organization, confirm: options.confirm });
    if (options.json) printJson(io, done);
    else io.err(`${done.organization} is gone, and nothing that was sealed for it opens again.\n`);
  } finally {
    await connection.close();
  }
}
