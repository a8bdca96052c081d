/** `client`: OAuth clients for programs, which operators register. */
import { newProgramClientInput } from '#admin/nouns.ts';
import { type ConnectOptions, connect } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { chooseOrganization } from './organization.ts';
import { printJson } from './output.ts';
import { printTable } from './table.ts';

interface ClientOptions extends ConnectOptions {
  readonly org?: string;
  readonly json?: boolean;
}

interface CreateClientOptions extends ClientOptions {
  readonly grants: readonly string[];
  readonly scopes?: readonly string[];
  readonly roles: readonly string[];
  readonly redirectUris: readonly string[];
  readonly introspects: readonly string[];
  /** `issuer` or `issuer=client id there`. */
  readonly assertionsFor: readonly string[];
  /** File. */
  readonly jwks?: string;
}

/** JSON in either case: the secret is for a machine to keep. */
export async function createClient(io: Io, name: string, options: CreateClientOptions): Promise<void> {
  const { scopes } = options;
  const input = {
    name,
    grants: parse(newProgramClientInput.grants, '--grants', options.grants),
    ...(scopes && { scopes: parse(newProgramClientInput.scopes, '--scopes', scopes) }),
    roles: [...options.roles],
    redirectUris: [...options.redirectUris],
    introspects: [...options.introspects],
    assertionAudiences: Object.fromEntries(options.assertionsFor.map((text) => audienceOf(text, name))),
    ...(options.jwks !== undefined && { jwks: readKeys(io, options.jwks) }),
  };
  const connection = await connect(io, options);
  try {
    const organization = await chooseOrganization(connection, options.org);
    const created = await connection.call('createClient', { organization, ...input });
    printJson(io, created);
    if (!options.json && created.secret !== null) io.err('This secret is shown once: keep it now.\n');
  } finally {
    await connection.close();
  }
}

export async function listClients(io: Io, options: ClientOptions): Promise<void> {
  const connection = await connect(io, options);
  try {
    const organization = await chooseOrganization(connection, options.org);
    const items = await connection.list('listClients', { organization });
    if (options.json) return printJson(io, items);
    const rows = items.map(({ id, name, grants, scopes, roles }) => [
      id,
      name,
      grants.join(',') || '-',
      scopes.join(','),
      roles.join(',') || '-',
    ]);
    printTable(io, ['ID', 'NAME', 'GRANTS', 'SCOPES', 'ROLES'], rows);
  } finally {
    await connection.close();
  }
}

export async function removeClient(io: Io, id: string, options: ClientOptions): Promise<void> {
  const connection = await connect(io, options);
  try {
    const organization = await chooseOrganization(connection, options.org);
    const removed = await connection.call('removeClient', { organization, id });
    if (options.json) printJson(io, removed);
    else io.err(`Removed ${removed.name} (${removed.id}); its tokens ended.\n`);
  } finally {
    await connection.close();
  }
}

interface Schema<T> {
  safeParse(value: unknown): { readonly success: true; readonly data: T } | { readonly success: false };
}

function parse<T>(schema: Schema<T>, flag: string, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new UsageError(`${flag} has something that there isn't: see --help`);
  return parsed.data;
}

function audienceOf(text: string, name: string): readonly [string, string] {
  const at = text.lastIndexOf('=');
  return at < 0 ? [text, name] : [text.slice(0, at), text.slice(at + 1)];
}

function readKeys(io: Io, file: string) {
  const text = io.readFile(file);
  if (text === undefined) throw new UsageError(`There is no file ${file}`);
  try {
    return newProgramClientInput.jwks.parse(JSON.parse(text));
  } catch (cause) {
    throw Object.assign(new UsageError(`${file} has no JSON Web Key Set`), { cause });
  }
}
