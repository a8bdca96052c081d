/** `org`, `server` and `collection`: one call of the admin API each. */
import type { z } from 'zod';
import { enforced } from '#admin/nouns.ts';
import { type ConnectOptions, connected } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { chooseOrganization } from './organization.ts';
import { printable, printJson } from './output.ts';
import { printTable } from './table.ts';

interface Options extends ConnectOptions {
  readonly json?: boolean;
}

export function listOrganizations(io: Io, options: Options): Promise<void> {
  return connected(io, options, async (connection) => {
    const items = await connection.list('listOrganizations', {});
    if (options.json) return printJson(io, items);
    printTable(
      io,
      ['SLUG', 'EXTERNAL ID', 'NAME'],
      items.map((item) => [item.slug, item.externalId ?? '-', item.name]),
    );
  });
}

export function createOrganization(
  io: Io,
  slug: string,
  options: Options & { readonly name?: string; readonly externalId?: string },
): Promise<void> {
  return connected(io, options, async (connection) => {
    const { name = slug, externalId } = options;
    const made = await connection.call('createOrganization', { slug, name, ...(externalId && { externalId }) });
    if (options.json) printJson(io, made);
    else io.err(`Made the organization ${made.slug}.\n`);
  });
}

export function listServers(io: Io, options: Options): Promise<void> {
  return connected(io, options, async (connection) => {
    const items = await connection.list('listServers', {});
    if (options.json) return printJson(io, items);
    printTable(
      io,
      ['KEY', 'KIND', 'TITLE'],
      items.map(({ key, kind, title }) => [key, kind, title]),
    );
  });
}

export function listServerHealth(io: Io, options: Options): Promise<void> {
  return connected(io, options, async (connection) => {
    const { runner } = await connection.call('listServerHealth', { limit: 1 });
    const items = await connection.list('listServerHealth', {});
    if (options.json) return printJson(io, items);
    if (runner) {
      const { sandbox, running, containers } = runner;
      const why = (reason: string | null) => (reason === null ? '' : `: ${printable(reason)}`);
      io.err(`Programs: ${running} run; sandbox ${sandbox.kind} ${sandbox.state}${why(sandbox.reason)}\n`);
      io.err(`Containers: ${containers.running} run; engine ${containers.engine ?? 'none'}${why(containers.reason)}\n`);
    }
    printTable(
      io,
      ['KEY', 'STATE', 'WELL', 'CALLS', 'LAST CHECK', 'LAST FAILURE'],
      items.map(({ key, state, healthy, instances, underWay, lastCheck, lastFailure }) => [
        ...[key, state, `${healthy}/${instances}`, String(underWay), lastCheck ?? '-'],
        lastFailure ? `${lastFailure.reason} at ${lastFailure.at}` : '-',
      ]),
    );
  });
}

interface OrganizationOptions extends Options {
  readonly org?: string;
}

export function listCollections(io: Io, options: OrganizationOptions): Promise<void> {
  return connected(io, options, async (connection) => {
    const organization = await chooseOrganization(connection, options.org);
    const items = await connection.list('listCollections', { organization });
    if (options.json) return printJson(io, items);
    const rows = items.map(({ name, allowedRoles, bindings }) => [
      name,
      allowedRoles === '*' ? '*' : allowedRoles.join(','),
      bindings.map(({ server, partition }) => (partition ? `${server}/${partition}` : server)).join(','),
    ]);
    printTable(io, ['NAME', 'ROLES', 'SERVERS'], rows);
  });
}

interface CreateCollectionOptions extends OrganizationOptions {
  readonly server: string;
  readonly allowedRoles: '*' | readonly string[];
  readonly partition?: string;
  readonly credentialEnv?: string;
  readonly enforced?: string;
}

export function createCollection(io: Io, name: string, options: CreateCollectionOptions): Promise<void> {
  const binding = {
    server: options.server,
    ...(options.partition && { partition: options.partition }),
    ...(options.credentialEnv && { credential: readCredential(io, options.credentialEnv) }),
    ...(options.enforced && { enforced: parseEnforced(options.enforced) }),
  };
  const allowedRoles = options.allowedRoles === '*' ? '*' : [...options.allowedRoles];
  return connected(io, options, async (connection) => {
    const organization = await chooseOrganization(connection, options.org);
    const made = await connection.call('createCollection', { organization, name, allowedRoles, bindings: [binding] });
    if (options.json) printJson(io, made);
    else io.err(`Published ${made.name}: POST /${made.organization}/mcp/${made.name}\n`);
  });
}

/** Never a flag: other users of the machine see the arguments of every process. */
function readCredential(io: Io, variable: string): string {
  const value = io.env[variable];
  if (value) return value;
  throw new UsageError(`${variable} is not set: export it with the secret in it`);
}

function parseEnforced(text: string): z.output<typeof enforced> {
  try {
    return enforced.parse(JSON.parse(text));
  } catch (cause) {
    throw Object.assign(new UsageError('--enforced must be JSON like {"retrieve":{"filter":{"team":"a"}}}'), { cause });
  }
}
