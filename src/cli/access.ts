/** `group`, `member`, `grant`, `enable`, `disable`, `block`, `unblock`, `service-account` and `person`. */
import type { RouteOutput } from '#admin/contract.ts';
import { type Connection, type ConnectOptions, connect } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { chooseOrganization } from './organization.ts';
import { printJson } from './output.ts';
import { printTable } from './table.ts';

export interface AccessOptions extends ConnectOptions {
  readonly org?: string;
  readonly json?: boolean;
}

interface Here {
  readonly connection: Connection;
  readonly organization: string;
}

async function inOrganization(io: Io, options: AccessOptions, work: (here: Here) => Promise<void>): Promise<void> {
  const connection = await connect(io, options);
  try {
    await work({ connection, organization: await chooseOrganization(connection, options.org) });
  } finally {
    await connection.close();
  }
}

function say(io: Io, options: AccessOptions, value: unknown, sentence: string): void {
  if (options.json) printJson(io, value);
  else io.err(`${sentence}\n`);
}

/** An address, `key:ID`, `service:NAME`, or the id of a person. */
function refOf(who: string) {
  if (who.startsWith('key:')) return { key: who.slice('key:'.length) };
  if (who.startsWith('service:')) return { serviceAccount: who.slice('service:'.length) };
  return who.includes('@') ? { email: who } : { user: who };
}

export function listGroups(io: Io, options: AccessOptions): Promise<void> {
  return inOrganization(io, options, async ({ connection, organization }) => {
    const items = await connection.list('listGroups', { organization });
    if (options.json) return printJson(io, items);
    const rows = items.map(({ name, title, members, externalId, priority }) => [
      ...[name, String(members), String(priority), externalId ?? '-', title],
    ]);
    printTable(io, ['NAME', 'MEMBERS', 'PRIORITY', 'EXTERNAL ID', 'TITLE'], rows);
  });
}

interface GroupOptions extends AccessOptions {
  readonly title?: string;
  readonly externalId?: string;
  readonly priority?: string;
}

export function createGroup(io: Io, name: string, options: GroupOptions): Promise<void> {
  const { title, externalId, priority } = options;
  return inOrganization(io, options, async ({ connection, organization }) => {
    const made = await connection.call('createGroup', {
      ...{ organization, name, title, externalId },
      ...(priority !== undefined && { priority: Number(priority) }),
    });
    say(io, options, made, `Made the group ${made.name}.`);
  });
}

export function showGroup(io: Io, group: string, options: AccessOptions): Promise<void> {
  return inOrganization(io, options, async ({ connection, organization }) => {
    const found = await connection.call('getGroup', { organization, group });
    if (options.json) return printJson(io, found);
    printTable(
      io,
      ['MEMBER', 'SAID BY'],
      found.people.map(({ label, user, key, source }) => [label ?? user ?? key ?? '-', source ?? '-']),
    );
    printGrants(io, found.grants);
  });
}

export function removeGroup(io: Io, group: string, options: AccessOptions): Promise<void> {
  return inOrganization(io, options, async ({ connection, organization }) => {
    const removed = await connection.call('removeGroup', { organization, group });
    say(io, options, removed, `Removed the group ${removed.name}.`);
  });
}

export function changeGroup(
  io: Io,
  { group, who, add }: { readonly group: string; readonly who: string; readonly add: boolean },
  options: AccessOptions,
): Promise<void> {
  return inOrganization(io, options, async ({ connection, organization }) => {
    const input = { organization, group, ...refOf(who) };
    const made = await connection.call(add ? 'addGroupMember' : 'removeGroupMember', input);
    say(io, options, made, `${who} is ${add ? 'now' : 'no longer'} in ${made.name}.`);
  });
}

function printGrants(io: Io, items: RouteOutput<'listGrants'>['items']): void {
  const rows = items.map(({ id, group, user, email, server, collection, tools }) => [
    ...[id, group ?? email ?? user ?? '-', server ?? `collection ${collection}`, tools?.join(',') ?? '*'],
  ]);
  printTable(io, ['ID', 'TO', 'OF', 'TOOLS'], rows);
}

export function listGrants(io: Io, options: AccessOptions): Promise<void> {
  return inOrganization(io, options, async ({ connection, organization }) => {
    const items = await connection.list('listGrants', { organization });
    if (options.json) printJson(io, items);
    else printGrants(io, items);
  });
}

interface GrantOptions extends AccessOptions {
  readonly tools?: readonly string[];
  readonly collection?: boolean;
}

/** `to`: a group, or somebody as in `group add`. */
export function addGrant(
  io: Io,
  { to, of }: { readonly to: string; readonly of: string },
  options: GrantOptions,
): Promise<void> {
  const isPerson = /[@:]|^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(to);
  return inOrganization(io, options, async ({ connection, organization }) => {
    const made = await connection.call('putGrant', {
      organization,
      ...(isPerson ? refOf(to) : { group: to }),
      ...(options.collection ? { collection: of } : { server: of }),
      ...(options.tools && { tools: [...options.tools] }),
    });
    say(io, options, made, `${to} may use ${of}${options.tools ? `: ${options.tools.join(', ')}` : ''}.`);
  });
}

export function removeGrant(io: Io, id: string, options: AccessOptions): Promise<void> {
  return inOrganization(io, options, async ({ connection, organization }) => {
    const removed = await connection.call('removeGrant', { organization, id });
    say(io, options, removed, 'The grant is taken back.');
  });
}

interface EnableOptions extends AccessOptions {
  readonly allMembers?: boolean;
  readonly roles?: readonly string[];
}

export function enableServer(
  io: Io,
  { server, enabled }: { readonly server: string; readonly enabled: boolean },
  options: EnableOptions,
): Promise<void> {
  return inOrganization(io, options, async ({ connection, organization }) => {
    const made = await connection.call('putEnablement', {
      ...{ organization, server, enabled },
      ...(options.allMembers && { allMembers: true }),
      ...(options.roles && { allowedRoles: [...options.roles] }),
    });
    say(io, options, made, `${server} is ${enabled ? 'enabled for' : 'switched off in'} ${organization}.`);
  });
}

interface BlockOptions extends AccessOptions {
  readonly everywhere?: boolean;
}

/** No tools: the server itself, everywhere or in the organization. */
export async function blockTools(
  io: Io,
  { server, tools, blocked }: { readonly server: string; readonly tools: readonly string[]; readonly blocked: boolean },
  options: BlockOptions,
): Promise<void> {
  const what = tools.length === 0 ? server : `${tools.join(', ')} of ${server}`;
  if (!options.everywhere) {
    if (tools.length === 0) return enableServer(io, { server, enabled: !blocked }, options);
    return inOrganization(io, options, async ({ connection, organization }) => {
      const made = await connection.call('blockTools', { organization, server, tools: [...tools], blocked });
      say(io, options, made, `${what}: switched ${blocked ? 'off' : 'on'} in ${organization}.`);
    });
  }
  if (options.org !== undefined) throw new UsageError('--everywhere and --org exclude each other');
  const connection = await connect(io, options);
  try {
    const made =
      tools.length === 0
        ? await connection.call('updateServer', { server, active: !blocked })
        : await connection.call('blockServerTools', { server, tools: [...tools], blocked });
    say(io, options, made, `${what}: switched ${blocked ? 'off' : 'on'} for everybody.`);
  } finally {
    await connection.close();
  }
}
