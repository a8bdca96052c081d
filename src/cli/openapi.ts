/** `openapi`: REST APIs as servers, from their OpenAPI documents. */
import { readFile } from 'node:fs/promises';
import { type Connection, type ConnectOptions, connected } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { printable, printJson } from './output.ts';
import { printTable } from './table.ts';

interface Options extends ConnectOptions {
  readonly organization?: string;
  readonly json?: boolean;
}

interface ChoosingOptions extends Options {
  readonly tags?: readonly string[];
  readonly methods?: readonly string[];
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly deprecated?: boolean;
}

/** A file is read here; an address is fetched by the gateway, which judges it. */
async function sourceOf(where: string, options: ChoosingOptions) {
  const { tags, methods, include, exclude, deprecated } = options;
  const selection = {
    ...(tags && { tags: [...tags] }),
    ...(methods && { methods: [...methods] }),
    ...(include && { include: [...include] }),
    ...(exclude && { exclude: [...exclude] }),
    ...(deprecated && { deprecated }),
  };
  const chosen = Object.keys(selection).length > 0 ? { selection } : {};
  if (/^https?:\/\//.test(where)) return { from: where, ...chosen };
  try {
    return { document: await readFile(where, 'utf8'), ...chosen };
  } catch (cause) {
    throw Object.assign(new UsageError(`The file ${where} cannot be read`), { cause });
  }
}

type Preview = Awaited<ReturnType<typeof preview>>;

function preview(connection: Connection, source: Awaited<ReturnType<typeof sourceOf>>, organization?: string) {
  return organization === undefined
    ? connection.call('previewOpenApi', source)
    : connection.call('previewOrganizationOpenApi', { organization, ...source });
}

export function printTools(
  io: Io,
  { tools, leftOut, warnings }: Pick<Preview, 'tools' | 'leftOut' | 'warnings'>,
): void {
  printTable(
    io,
    ['TOOL', 'OPERATION', 'TITLE'],
    tools.map(({ name, operation, title }) => [name, operation, title]),
  );
  for (const { operation, reason } of leftOut) io.err(`Left out: ${printable(`${operation}: ${reason}`)}\n`);
  for (const warning of warnings) io.err(`Note: ${warning}\n`);
}

export function previewOpenApi(io: Io, where: string, options: ChoosingOptions): Promise<void> {
  return connected(io, options, async (connection) => {
    const read = await preview(connection, await sourceOf(where, options), options.organization);
    if (options.json) return printJson(io, read);
    const schemes = read.schemes.map(({ name, kind }) => `${name} (${kind})`).join(', ');
    const at = read.url ?? '(say where with --base-url)';
    io.err(`${printable(`${read.title} ${read.version} at ${at}`)}\n`);
    io.err(`Signs in with: ${printable(schemes) || "what the binding's credential says"}\n`);
    printTools(io, read);
  });
}

interface AddOptions extends ChoosingOptions {
  readonly name: string;
  readonly title?: string;
  readonly baseUrl?: string;
  readonly keyEnv?: string;
  readonly allMembers?: boolean;
}

export function addOpenApi(io: Io, where: string, options: AddOptions): Promise<void> {
  const { name: key, title, baseUrl, organization, keyEnv, allMembers = false } = options;
  if (keyEnv !== undefined && organization === undefined) {
    throw new UsageError(
      '--key-env needs --organization: give each organization its key for it with `gatehouse credential set`',
    );
  }
  const credential = keyEnv === undefined ? undefined : io.env[keyEnv];
  if (keyEnv !== undefined && !credential) throw new UsageError(`The variable ${keyEnv} is not set`);
  return connected(io, options, async (connection) => {
    const input = {
      ...(await sourceOf(where, options)),
      ...{ key, ...(title && { title }), ...(baseUrl && { url: baseUrl }) },
    };
    const made =
      organization === undefined
        ? await connection.call('createOpenApiServer', input)
        : await connection.call('createOrganizationOpenApiServer', { organization, allMembers, ...input });
    if (credential && organization !== undefined) {
      await connection.call('setCredential', { organization, server: key, credential });
    }
    if (options.json) return printJson(io, made);
    printTools(io, made.document);
    io.err(`The server ${made.server} sends requests to ${made.url}.\n`);
  });
}

interface UpdateOptions extends ChoosingOptions {
  readonly baseUrl?: string;
  readonly dryRun?: boolean;
}

export function updateOpenApi(io: Io, server: string, where: string, options: UpdateOptions): Promise<void> {
  const { organization, baseUrl, dryRun = false } = options;
  return connected(io, options, async (connection) => {
    const input = { ...(await sourceOf(where, options)), server, dryRun, ...(baseUrl && { url: baseUrl }) };
    const done =
      organization === undefined
        ? await connection.call('updateOpenApiServer', input)
        : await connection.call('updateOrganizationOpenApiServer', { organization, ...input });
    if (options.json) return printJson(io, done);
    const rows = [
      ...done.added.map((tool) => ['added', tool]),
      ...done.removed.map((tool) => ['removed', tool]),
      ...done.changed.map((tool) => ['changed', tool]),
    ];
    printTable(io, ['CHANGE', 'TOOL'], rows);
    io.err(
      dryRun ? 'Nothing was changed.\n' : `The server ${server} has version ${printable(done.document.version)} now.\n`,
    );
  });
}

export function listOpenApi(io: Io, options: Options): Promise<void> {
  const { organization } = options;
  return connected(io, options, async (connection) => {
    const items =
      organization === undefined
        ? await connection.list('listOpenApiDocuments', {})
        : await connection.list('listOrganizationOpenApiDocuments', { organization });
    if (options.json) return printJson(io, items);
    const rows = items.map(({ digest, title, version, servers }) => [
      digest,
      title,
      version,
      servers.join(', ') || '-',
    ]);
    printTable(io, ['DOCUMENT', 'TITLE', 'VERSION', 'SERVERS'], rows);
  });
}

export function removeOpenApi(io: Io, digest: string, options: Options): Promise<void> {
  const { organization } = options;
  return connected(io, options, async (connection) => {
    const removed =
      organization === undefined
        ? await connection.call('removeOpenApiDocument', { digest })
        : await connection.call('removeOrganizationOpenApiDocument', { organization, digest });
    if (options.json) printJson(io, removed);
    else io.err(`Removed the document ${printable(`${removed.title} ${removed.version}`)}.\n`);
  });
}
