/** `request`, `app`, `token`, `session`, `access` and `who-can`: what is let in, by whom, and until when. */
import type { RouteOutput } from '#admin/contract.ts';
import { type Connection, type ConnectOptions, connect } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { findMember } from './members.ts';
import { chooseOrganization } from './organization.ts';
import { printJson } from './output.ts';
import { printTable } from './table.ts';

interface Options extends ConnectOptions {
  readonly org?: string;
  readonly json?: boolean;
}

interface Here {
  readonly connection: Connection;
  readonly organization: string;
}

async function inOrganization(io: Io, options: Options, work: (here: Here) => Promise<void>): Promise<void> {
  const connection = await connect(io, options);
  try {
    await work({ connection, organization: await chooseOrganization(connection, options.org) });
  } finally {
    await connection.close();
  }
}

function say(io: Io, options: Options, value: unknown, sentence: string): void {
  if (options.json) printJson(io, value);
  else io.err(`${sentence}\n`);
}

interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

/** Page after page, as large as these lists have them. */
async function allOf<T>(ask: (page: { readonly limit: number; readonly cursor?: string }) => Promise<Page<T>>) {
  const items: T[] = [];
  let page: Page<T> | undefined;
  do {
    page = await ask({ limit: 200, ...(page?.next && { cursor: page.next }) });
    items.push(...page.items);
  } while (page.next !== null);
  return items;
}

type RequestState = RouteOutput<'listAccessRequests'>['items'][number]['state'];

const nameOf = ({
  email,
  name,
  user,
}: {
  readonly email: string | null;
  readonly name: string | null;
  user: string | null;
}) => email ?? name ?? user ?? '-';

export function listRequests(io: Io, options: Options & { readonly state?: RequestState }): Promise<void> {
  return inOrganization(io, options, async ({ connection, organization }) => {
    const { state } = options;
    const items = await allOf((page) =>
      connection.call('listAccessRequests', { organization, ...(state && { state }), ...page }),
    );
    if (options.json) return printJson(io, items);
    const rows = items.map((one) => [
      ...[one.id, nameOf(one), one.server ?? `collection ${one.collection}`, one.tools?.join(',') ?? '*'],
      ...[one.state, one.createdAt, one.reason],
    ]);
    printTable(io, ['ID', 'WHO', 'WANTS', 'TOOLS', 'STATE', 'ASKED', 'REASON'], rows);
  });
}

export function approveRequest(
  io: Io,
  id: string,
  options: Options & { readonly word?: string; readonly tools?: readonly string[] },
): Promise<void> {
  return inOrganization(io, options, async ({ connection, organization }) => {
    const { word, tools } = options;
    const made = await connection.call('approveRequest', {
      ...{ organization, id, ...(word !== undefined && { word }), ...(tools && { tools: [...tools] }) },
    });
    say(io, options, made, `${nameOf(made)} may use ${made.server ?? made.collection} now.`);
  });
}

export function refuseRequest(io: Io, id: string, options: Options & { readonly word: string }): Promise<void> {
  return inOrganization(io, options, async ({ connection, organization }) => {
    const made = await connection.call('refuseRequest', { organization, id, word: options.word });
    say(io, options, made, `${nameOf(made)} is told: ${options.word}`);
  });
}

export function listApps(io: Io, options: Options): Promise<void> {
  return inOrganization(io, options, async ({ connection, organization }) => {
    const items = await allOf((page) => connection.call('listApps', { organization, ...page }));
    if (options.json) return printJson(io, items);
    const rows = items.map(({ client, name, people, lastSeenAt, blocked, reason }) => [
      ...[client, name ?? '-', String(people), lastSeenAt ?? '-'],
      blocked ? `kept out${reason === null ? '' : `: ${reason}`}` : 'let in',
    ]);
    printTable(io, ['CLIENT', 'NAME', 'PEOPLE', 'LAST SEEN', 'STATE'], rows);
  });
}

export function changeApp(
  io: Io,
  { client, blocked }: { readonly client: string; readonly blocked: boolean },
  options: Options & { readonly reason?: string },
): Promise<void> {
  return inOrganization(io, options, async ({ connection, organization }) => {
    const { reason } = options;
    const made = blocked
      ? await connection.call('blockApp', { organization, client, ...(reason !== undefined && { reason }) })
      : await connection.call('unblockApp', { organization, client });
    say(io, options, made, blocked ? `${client} is kept out of ${organization}.` : `${client} may be let in again.`);
  });
}

interface OfSomebody extends Options {
  /** An address or an id. */
  readonly user?: string;
}

const userIn = async ({ connection, organization }: Here, { user }: OfSomebody) =>
  user === undefined ? {} : { user: await findMember(connection, organization, user) };

export function listTokens(io: Io, options: OfSomebody & { readonly client?: string }): Promise<void> {
  return inOrganization(io, options, async (here) => {
    const { client } = options;
    const wish = { organization: here.organization, ...(await userIn(here, options)) };
    const items = await allOf((page) =>
      here.connection.call('listTokens', { ...wish, ...(client !== undefined && { client }), ...page }),
    );
    if (options.json) return printJson(io, items);
    const rows = items.map((one) => [
      ...[one.id, nameOf(one), one.clientName ?? one.client, one.scopes.join(' ') || '-'],
      ...[one.lastUsedAt ?? '-', one.expiresAt ?? '-'],
    ]);
    printTable(io, ['ID', 'WHO', 'APPLICATION', 'SCOPES', 'LAST USED', 'GOOD UNTIL'], rows);
  });
}

/** One, or those of a person or an application, or all. */
export function revokeTokens(
  io: Io,
  id: string | undefined,
  options: OfSomebody & { readonly client?: string; readonly all?: boolean },
): Promise<void> {
  const { client, user, all } = options;
  const isNamed = id !== undefined || client !== undefined || user !== undefined;
  if (isNamed === (all === true)) throw new UsageError('Say which: an id of `token list`, --user, --client, or --all');
  return inOrganization(io, options, async (here) => {
    const made = await here.connection.call('revokeTokens', {
      ...{ organization: here.organization, ...(await userIn(here, options)) },
      ...{ ...(id !== undefined && { id }), ...(client !== undefined && { client }), ...(all && { all }) },
    });
    say(io, options, made, `Taken back: ${made.revoked}.`);
  });
}

export function listSessions(io: Io, options: OfSomebody): Promise<void> {
  return inOrganization(io, options, async (here) => {
    const wish = { organization: here.organization, ...(await userIn(here, options)) };
    const items = await allOf((page) => here.connection.call('listSessions', { ...wish, ...page }));
    if (options.json) return printJson(io, items);
    const rows = items.map((one) => [
      ...[one.id, one.kind, nameOf(one), one.endpoint ?? '-', one.since ?? '-', one.expiresAt ?? '-'],
    ]);
    printTable(io, ['ID', 'KIND', 'WHO', 'ENDPOINT', 'SINCE', 'GOOD UNTIL'], rows);
  });
}

/** One, or all of a person. */
export function endSessions(io: Io, id: string | undefined, options: OfSomebody): Promise<void> {
  if ((id === undefined) === (options.user === undefined))
    throw new UsageError('Say which: an id of `session list`, or --user');
  return inOrganization(io, options, async (here) => {
    const which = id === undefined ? await userIn(here, options) : { id };
    const made = await here.connection.call('endSession', { organization: here.organization, ...which });
    say(io, options, made, `Ended: ${made.ended}.`);
  });
}

type By = RouteOutput<'showWhoCan'>['items'][number]['by'];
const waysOf = (by: By) => by.map(({ kind, name }) => (name === null ? kind : `${kind} ${name}`)).join(', ') || '-';

export function showAccess(
  io: Io,
  { who, endpoint }: { readonly who: string; readonly endpoint: string | undefined },
  options: Options,
): Promise<void> {
  return inOrganization(io, options, async ({ connection, organization }) => {
    const user = await findMember(connection, organization, who);
    const of = { organization, user, ...(endpoint !== undefined && { endpoint }) };
    const { items: _items, next: _next, ...person } = await connection.call('showAccess', { ...of, limit: 1 });
    const items = await allOf((page) => connection.call('showAccess', { ...of, ...page }));
    if (options.json) return printJson(io, { ...person, items });
    const { roles, groups, isAdministrator } = person;
    const administers = isAdministrator ? '; administers the organization' : '';
    io.err(`${who}: roles ${roles.join(', ') || 'none'}; groups ${groups.join(', ') || 'none'}${administers}\n`);
    const rows = items.flatMap(({ endpoint: name, admitted, by, tools }) =>
      tools.length === 0
        ? [[name, '-', admitted ? 'allow' : 'grant', waysOf(by), '-']]
        : tools.map((tool) => [name, tool.name, tool.answer, waysOf(by), tool.policies.join(', ') || '-']),
    );
    printTable(io, ['ENDPOINT', 'TOOL', 'ANSWER', 'BY', 'POLICIES'], rows);
  });
}

export function showWhoCan(
  io: Io,
  { endpoint, tool }: { readonly endpoint: string; readonly tool: string | undefined },
  options: Options,
): Promise<void> {
  return inOrganization(io, options, async ({ connection, organization }) => {
    const items = await allOf((page) =>
      connection.call('showWhoCan', { organization, endpoint, ...(tool !== undefined && { tool }), ...page }),
    );
    if (options.json) return printJson(io, items);
    const rows = items.map((one) => [
      nameOf(one),
      one.answer,
      waysOf(one.by),
      one.policies.join(', ') || '-',
      one.user,
    ]);
    printTable(io, ['MEMBER', 'ANSWER', 'BY', 'POLICIES', 'ID'], rows);
  });
}
