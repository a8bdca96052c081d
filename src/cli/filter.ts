/** `filter`: what is looked for in arguments and results. */
import { z } from 'zod';
import { type ConnectOptions, connect } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { chooseOrganization } from './organization.ts';
import { printJson } from './output.ts';
import { printTable } from './table.ts';

interface Options extends ConnectOptions {
  readonly org?: string;
  readonly json?: boolean;
}

export async function listFilters(io: Io, options: Options): Promise<void> {
  const connection = await connect(io, options);
  try {
    const organization = await chooseOrganization(connection, options.org);
    const items = await connection.list('listFilters', { organization });
    if (options.json) return printJson(io, items);
    const rows = items.map(({ name, kind, looksAt, action, server, collection }) => [
      ...[name, kind, looksAt, action],
      server ?? collection ?? '(everything)',
    ]);
    printTable(io, ['NAME', 'KIND', 'LOOKS AT', 'ACTION', 'OF'], rows);
  } finally {
    await connection.close();
  }
}

interface SetOptions extends Options {
  readonly kind: string;
  readonly action: 'block' | 'redact' | 'flag';
  readonly looksAt: 'arguments' | 'results' | 'both';
  readonly config?: string;
  readonly server?: string;
  readonly collection?: string;
}

export async function setFilter(io: Io, name: string, options: SetOptions): Promise<void> {
  const { kind, action, looksAt, server, collection } = options;
  const config = parseConfig(options.config ?? '{}');
  const connection = await connect(io, options);
  try {
    const organization = await chooseOrganization(connection, options.org);
    const target = { ...(server && { server }), ...(collection && { collection }) };
    const set = await connection.call('setFilter', { organization, name, kind, action, looksAt, config, ...target });
    if (options.json) printJson(io, set);
    else io.err(`The filter ${set.name} is in force.\n`);
  } finally {
    await connection.close();
  }
}

export async function removeFilter(io: Io, name: string, options: Options): Promise<void> {
  const connection = await connect(io, options);
  try {
    const organization = await chooseOrganization(connection, options.org);
    const removed = await connection.call('removeFilter', { organization, name });
    if (options.json) printJson(io, removed);
    else io.err(`Removed the filter ${removed.name}.\n`);
  } finally {
    await connection.close();
  }
}

function parseConfig(text: string): Record<string, unknown> {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch (cause) {
    throw Object.assign(new UsageError('--config must be a JSON object like {"maxBytes":100000}'), { cause });
  }
}
