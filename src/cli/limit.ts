import { type ConnectOptions, connect } from './connection.ts';
import type { Io } from './io.ts';
import { chooseOrganization } from './organization.ts';
import { printJson } from './output.ts';
import { printTable } from './table.ts';

interface LimitOptions extends ConnectOptions {
  readonly org?: string;
  readonly json?: boolean;
}

export interface SetLimitOptions extends LimitOptions {
  readonly counts?: string;
  readonly group?: string;
  readonly user?: string;
  readonly apiKey?: string;
  readonly server?: string;
  readonly tool?: string;
  readonly points?: string;
  /** Seconds. */
  readonly window?: number;
  readonly burst?: string;
  readonly concurrent?: string;
}

export async function listLimits(io: Io, options: LimitOptions): Promise<void> {
  const connection = await connect(io, options);
  try {
    const organization = await chooseOrganization(connection, options.org);
    const items = await connection.list('listLimits', { organization });
    if (options.json) return printJson(io, items);
    const rows = items.map((limit) => [
      limit.id,
      limit.counts,
      limit.group ?? limit.user ?? limit.apiKey ?? '*',
      limit.server === null ? '*' : [limit.server, limit.tool].filter(Boolean).join(' '),
      limit.points === null
        ? ''
        : `${limit.points} in ${spanOf(limit.windowSeconds)}${limit.burst ? `, burst ${limit.burst}` : ''}`,
      limit.concurrent === null ? '' : String(limit.concurrent),
    ]);
    printTable(io, ['ID', 'COUNTS', 'FOR', 'CALLS', 'RATE', 'AT ONCE'], rows);
  } finally {
    await connection.close();
  }
}

export async function setLimit(io: Io, options: SetLimitOptions): Promise<void> {
  const { counts, group, user, apiKey, server, tool, points, window, burst, concurrent } = options;
  const connection = await connect(io, options);
  try {
    const organization = await chooseOrganization(connection, options.org);
    const given = { counts, group, user, apiKey, server, tool, points, windowSeconds: window, burst, concurrent };
    const wanted = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const made = await connection.call('setLimit', { organization, ...wanted });
    if (options.json) printJson(io, made);
    else io.err(`Set limit ${made.id}.\n`);
  } finally {
    await connection.close();
  }
}

export async function removeLimit(io: Io, id: string, options: LimitOptions): Promise<void> {
  const connection = await connect(io, options);
  try {
    const organization = await chooseOrganization(connection, options.org);
    const removed = await connection.call('removeLimit', { organization, id });
    if (options.json) printJson(io, removed);
    else io.err(`Removed limit ${removed.id}.\n`);
  } finally {
    await connection.close();
  }
}

export async function showLimitUsage(
  io: Io,
  id: string,
  { of, ...options }: LimitOptions & { readonly of?: string },
): Promise<void> {
  const connection = await connect(io, options);
  try {
    const organization = await chooseOrganization(connection, options.org);
    const { items } = await connection.call('getLimitUsage', { organization, id, ...(of && { of }) });
    if (options.json) return printJson(io, items);
    const rows = items.map((item) => [
      item.of ?? organization,
      `${item.used} of ${item.points}`,
      item.used === 0 ? '' : `${item.resetSeconds} s`,
    ]);
    printTable(io, ['OF', 'USED', 'NEXT ONE BACK IN'], rows);
  } finally {
    await connection.close();
  }
}

/** As `--window` takes it. */
function spanOf(seconds: number | null): string {
  if (seconds === null) return '';
  for (const [unit, length] of [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
  ] as const)
    if (seconds % length === 0) return `${seconds / length}${unit}`;
  return `${seconds}s`;
}
