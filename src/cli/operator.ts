/** `registration`, `purge` and `stats`: one call of the admin API each. */
import { type ConnectOptions, connected } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { printJson } from './output.ts';
import { watched } from './progress.ts';
import { printTable } from './table.ts';

interface Options extends ConnectOptions {
  readonly json?: boolean;
}

export function listRegistrations(io: Io, options: Options & { readonly search?: string }): Promise<void> {
  return connected(io, options, async (connection) => {
    const { search } = options;
    const items = await connection.list('listRegistrations', { ...(search !== undefined && { search }) });
    if (options.json) return printJson(io, items);
    const rows = items.map(({ id, name, state, redirectHosts, registeredAt, expiresAt, tokens }) => [
      ...[id, name ?? '-', state, redirectHosts.join(' '), day(registeredAt), day(expiresAt), String(tokens)],
    ]);
    printTable(io, ['ID', 'NAME', 'STATE', 'SENDS PEOPLE TO', 'REGISTERED', 'EXPIRES', 'TOKENS'], rows);
  });
}

const day = (at: string | null) => at?.slice(0, 10) ?? 'never';

interface RemoveOptions extends Options {
  readonly search?: string;
  readonly all?: boolean;
}

export function removeRegistrations(io: Io, id: string | undefined, options: RemoveOptions): Promise<void> {
  const { search, all = false } = options;
  if ([id !== undefined, search !== undefined, all].filter(Boolean).length !== 1)
    throw new UsageError('Say which: an id, --search or --all');
  return connected(io, options, async (connection) => {
    const found =
      id === undefined ? await connection.list('listRegistrations', { ...(search && { search }) }) : [{ id }];
    for (const one of found) await connection.call('removeRegistration', { id: one.id });
    if (options.json) printJson(io, { removed: found.map((one) => one.id) });
    else io.err(`Removed with their tokens: ${found.length === 0 ? 'none' : found.map((one) => one.id).join(', ')}\n`);
  });
}

export function purge(io: Io, options: Options & { readonly dryRun?: boolean }): Promise<void> {
  return connected(io, options, async (connection) => {
    const { dryRun = false } = options;
    const done = await watched(io, 'Purging', () => connection.call('purgeExpired', { dryRun }));
    if (options.json) return printJson(io, done);
    const { clients, tokens, otherRecords, signInAttempts, portalSessions } = done;
    const others = otherRecords + signInAttempts;
    io.err(
      `${dryRun ? 'Expired, and still there' : 'Removed'}: ${clients} registrations, ${tokens} tokens, ${portalSessions} sessions of the portal, ${others} other records of sign-ins.\n`,
    );
  });
}

export function showStatistics(io: Io, options: Options): Promise<void> {
  return connected(io, options, async (connection) => {
    const found = await connection.call('getStatistics', {});
    if (options.json) return printJson(io, found);
    const { pendingClients, calls, failedCalls, callers, ...rest } = found;
    const rows: [string, string | number][] = [
      ['organizations', rest.organizations],
      ['people', rest.people],
      ['memberships', rest.members],
      ['servers', rest.servers],
      ['collections', rest.collections],
      ['API keys', rest.apiKeys],
      ['registrations', `${rest.clients} (${pendingClients} that nobody signed in through)`],
      ['clients for programs', rest.programs],
      ['access tokens', rest.accessTokens],
      ['refresh tokens', rest.refreshTokens],
      ['browsers signed in', rest.signIns],
      ['sessions of the portal', rest.portalSessions],
      ['calls in 24 hours', `${calls} (${failedCalls} failed) by ${callers} callers`],
    ];
    printTable(
      io,
      ['WHAT', 'HOW MANY'],
      rows.map(([what, many]) => [what, String(many)]),
    );
  });
}
