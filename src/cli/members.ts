/** `member`, `service-account` and `person`. */
import { type ConnectOptions, type connect, connected } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { chooseOrganization } from './organization.ts';
import { printJson } from './output.ts';
import { printTable } from './table.ts';

interface Options extends ConnectOptions {
  readonly json?: boolean;
}

interface OrganizationOptions extends Options {
  readonly org?: string;
}

type Connection = Awaited<ReturnType<typeof connect>>;

function say(io: Io, options: Options, value: unknown, sentence: string): void {
  if (options.json) printJson(io, value);
  else io.err(`${sentence}\n`);
}

export function listMembers(io: Io, options: OrganizationOptions): Promise<void> {
  return connected(io, options, async (connection) => {
    const organization = await chooseOrganization(connection, options.org);
    const items = await connection.list('listMembers', { organization });
    if (options.json) return printJson(io, items);
    const rows = items.map(({ user, email, name, roles, active }) => [
      ...[email ?? name ?? '-', roles.join(',') || '-'],
      ...[user === null ? 'invited' : active ? 'active' : 'kept out', user ?? '-'],
    ]);
    printTable(io, ['MEMBER', 'ROLES', 'STATE', 'ID'], rows);
  });
}

export function addMember(
  io: Io,
  who: string,
  options: OrganizationOptions & { readonly roles: readonly string[] },
): Promise<void> {
  return connected(io, options, async (connection) => {
    const organization = await chooseOrganization(connection, options.org);
    const ref = who.includes('@') ? { email: who } : { user: who };
    const made = await connection.call('addMember', { organization, ...ref, roles: [...options.roles] });
    const word = made.user === null ? 'is invited: a member with the first sign-in' : 'is a member';
    say(io, options, made, `${who} ${word}.`);
  });
}

export function updateMember(
  io: Io,
  who: string,
  options: OrganizationOptions & { readonly roles?: readonly string[]; readonly active?: boolean },
): Promise<void> {
  return connected(io, options, async (connection) => {
    const organization = await chooseOrganization(connection, options.org);
    const { roles, active } = options;
    const user = await findMember(connection, organization, who);
    const made = await connection.call('updateMember', {
      organization,
      user,
      active,
      ...(roles && { roles: [...roles] }),
    });
    say(io, options, made, `${who}: ${made.active ? 'active' : 'kept out'}, roles ${made.roles.join(', ') || 'none'}.`);
  });
}

export function removeMember(io: Io, who: string, options: OrganizationOptions): Promise<void> {
  return connected(io, options, async (connection) => {
    const organization = await chooseOrganization(connection, options.org);
    const user = await findMember(connection, organization, who);
    const removed = await connection.call('removeMember', { organization, user });
    say(io, options, removed, `${who} is no longer a member of ${organization}.`);
  });
}

/** By address or id. Throws UsageError. */
export async function findMember(connection: Connection, organization: string, who: string): Promise<string> {
  if (!who.includes('@')) return who;
  const items = await connection.list('listMembers', { organization, search: who });
  const found = items.filter(({ email, user }) => user !== null && email?.toLowerCase() === who.toLowerCase());
  const [only, ...others] = found;
  if (only?.user && others.length === 0) return only.user;
  throw new UsageError(
    only
      ? `Several members have the address ${who}: give an id of \`member list\``
      : `No member has the address ${who}`,
  );
}

export function listServiceAccounts(io: Io, options: OrganizationOptions): Promise<void> {
  return connected(io, options, async (connection) => {
    const organization = await chooseOrganization(connection, options.org);
    const items = await connection.list('listServiceAccounts', { organization });
    if (options.json) return printJson(io, items);
    const rows = items.map(({ name, clientId, roles, active, workloads }) => [
      ...[name, roles.join(',') || '-', active ? 'active' : 'switched off', clientId],
      workloads.map(({ issuer, subject }) => `${issuer} ${subject}`).join('; ') || '-',
    ]);
    printTable(io, ['NAME', 'ROLES', 'STATE', 'CLIENT ID', 'WORKLOADS'], rows);
  });
}

export function createServiceAccount(
  io: Io,
  name: string,
  options: OrganizationOptions & { readonly roles: readonly string[] },
): Promise<void> {
  return connected(io, options, async (connection) => {
    const organization = await chooseOrganization(connection, options.org);
    const made = await connection.call('createServiceAccount', { organization, name, roles: [...options.roles] });
    say(
      io,
      options,
      made,
      `Made the service account ${made.name}: give it a key with \`key create --service-account\`.`,
    );
  });
}

export function removeServiceAccount(io: Io, account: string, options: OrganizationOptions): Promise<void> {
  return connected(io, options, async (connection) => {
    const organization = await chooseOrganization(connection, options.org);
    const removed = await connection.call('removeServiceAccount', { organization, account });
    say(io, options, removed, `Removed ${removed.name}; its keys and tokens ended.`);
  });
}

interface Workload {
  readonly issuer: string;
  readonly subject: string;
  readonly audience: string;
}

export function trustWorkload(io: Io, account: string, options: OrganizationOptions & Workload): Promise<void> {
  return connected(io, options, async (connection) => {
    const organization = await chooseOrganization(connection, options.org);
    const { issuer, subject, audience } = options;
    const made = await connection.call('trustWorkload', { organization, account, issuer, subject, audience });
    say(io, options, made, `${subject} of ${issuer} may ask for tokens as ${made.clientId}.`);
  });
}

export function listPeople(io: Io, search: string | undefined, options: Options): Promise<void> {
  return connected(io, options, async (connection) => {
    const items = await connection.list('listPeople', search === undefined ? {} : { search });
    if (options.json) return printJson(io, items);
    const rows = items.map(({ id, email, name, active, organizations }) => [
      ...[email ?? name ?? '-', organizations.join(',') || '-', active ? 'active' : 'deactivated', id],
    ]);
    printTable(io, ['PERSON', 'ORGANIZATIONS', 'STATE', 'ID'], rows);
  });
}

export function exportPerson(io: Io, id: string, options: Options): Promise<void> {
  return connected(io, options, async (connection) => printJson(io, await connection.call('exportPerson', { id })));
}

export function erasePerson(io: Io, id: string, options: Options): Promise<void> {
  return connected(io, options, async (connection) => {
    const erased = await connection.call('erasePerson', { id });
    say(io, options, erased, `Erased. What they did stays on record as ${erased.pseudonym}.`);
  });
}

export function changePerson(io: Io, id: string, options: Options & { readonly active: boolean }): Promise<void> {
  return connected(io, options, async (connection) => {
    const { active } = options;
    const made = await connection.call('updatePerson', { id, active });
    say(io, options, made, active ? 'They may sign in again.' : 'Their sessions and tokens ended, everywhere.');
  });
}
