/** `secrets` and `org shred`: the keys that seal. */
import { type ConnectOptions, connect } from './connection.ts';
import type { Io } from './io.ts';
import { printJson } from './output.ts';
import { watched } from './progress.ts';
import { printTable } from './table.ts';

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
    const { fields, staleFields } = found.own;
    io.err(
      `Data keys are wrapped by ${found.kekId}. The root secret seals ${fields} fields, ${staleFields} to reseal.\n`,
    );
  } finally {
    await connection.close();
  }
}

const counted = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;

export type Level = 'kek' | 'dek' | 'fields' | 'all';

export async function rotateSecrets(io: Io, options: Options & { readonly level: Level }): Promise<void> {
  const connection = await connect(io, options);
  try {
    const { level, org } = options;
    const done = await watched(io, 'Rotating', () =>
      connection.call('rotateSecrets', { level, ...(org && { organization: org }) }),
    );
    if (options.json) return printJson(io, done);
    const fresh = level === 'dek' || level === 'all' ? 'each has a new data key, ' : '';
    io.err(
      `${counted(done.organizations, 'organization')}: ${fresh}${counted(done.rewrapped, 'data key')} wrapped anew, ${counted(done.resealed, 'field')} sealed anew, ${counted(done.removed, 'old key')} removed.\n`,
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
