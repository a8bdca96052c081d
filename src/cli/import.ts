/** `import`: servers from a registry's server.json, a client's file, an OpenAPI document, an address or the registry by name. */
import { resolve } from 'node:path';
import type { RouteInput, RouteOutput } from '#admin/contract.ts';
import { keyFor } from '#admin/imports/plan.ts';
import { agreed } from './catalog.ts';
import { type Connection, type ConnectOptions, connect } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { printTools } from './openapi.ts';
import { chooseOrganization } from './organization.ts';
import { printable, printJson } from './output.ts';
import { openPrompts } from './prompts.ts';

interface ImportOptions extends ConnectOptions {
  readonly org?: string;
  readonly json?: boolean;
  readonly dryRun?: boolean;
  readonly servers?: readonly string[];
  readonly as?: string;
  /** `NAME=VALUE`, of what is no secret. */
  readonly set: readonly string[];
  readonly network?: 'none' | 'full';
  readonly allMembers?: boolean;
  readonly yes?: boolean;
}

type Preview = RouteOutput<'importServers'>;

export async function importServers(io: Io, source: string, options: ImportOptions): Promise<void> {
  const read = await sourceOf(io, source);
  const connection = await connect(io, options);
  try {
    const organization = await chooseOrganization(connection, options.org);
    const api = { connection, organization, options };
    // May be larger than any other document.
    if (read.document !== undefined && isOpenApi(read.document))
      return await importOpenApi(io, { document: read.document }, api);
    const wish: RouteInput<'importServers'> = {
      ...{ ...read, organization },
      ...{ answers: settings(options.set), allMembers: options.allMembers ?? false },
      ...(options.servers && { servers: [...options.servers] }),
      ...(options.as !== undefined && { as: options.as }),
      ...(options.network !== undefined && { network: options.network }),
    };
    const preview = await connection.call('importServers', { ...wish, dryRun: true });
    if (preview.kind === 'openapi')
      return await importOpenApi(io, read.url === undefined ? { document: read.document } : { from: read.url }, api);
    if (options.dryRun) return options.json ? printJson(io, preview) : show(io, preview);
    if (!options.json) show(io, preview);
    const answers = { ...wish.answers, ...(await askFor(io, preview)) };
    const settled = await connection.call('importServers', { ...wish, answers, dryRun: true });
    const commands = settled.servers.flatMap(({ command }) => command ?? []);
    const consent = await agreed(io, commands, options.yes ?? false);
    const made = await connection.call('importServers', { ...wish, answers, consent });
    if (options.json) return printJson(io, made);
    for (const { key } of made.servers) io.err(`Made ${key}: POST /${wish.organization}/mcp/${key}\n`);
  } finally {
    await connection.close();
  }
}

interface OpenApiWish {
  readonly connection: Connection;
  readonly organization: string;
  readonly options: ImportOptions;
}

/** A REST API: as `openapi add`, with a key out of its title. */
async function importOpenApi(
  io: Io,
  source: Pick<RouteInput<'createOrganizationOpenApiServer'>, 'document' | 'from'>,
  { connection, organization, options }: OpenApiWish,
): Promise<void> {
  const read = await connection.call('previewOrganizationOpenApi', { organization, ...source });
  const key = options.as ?? keyFor(read.title);
  if (!options.json) {
    io.err(`${key}: ${printable(read.title)} ${printable(read.version)}\n`);
    printTools(io, read);
  }
  if (options.dryRun) return options.json ? printJson(io, read) : undefined;
  const allMembers = options.allMembers ?? false;
  const made = await connection.call('createOrganizationOpenApiServer', { organization, ...source, key, allMembers });
  if (options.json) return printJson(io, made);
  io.err(`Made ${made.server}: POST /${organization}/mcp/${made.server}\n`);
  if (read.schemes.length > 0) io.err(`Its key: gatehouse credential set ${made.server} --org ${organization}\n`);
}

const isOpenApi = (text: string): boolean =>
  /^\s*(?:openapi|swagger)\s*:/m.test(text.slice(0, 2000)) || /^\s*\{\s*"(?:openapi|swagger)"\s*:/.test(text);

async function sourceOf(
  io: Io,
  source: string,
): Promise<Pick<RouteInput<'importServers'>, 'document' | 'url' | 'registry'>> {
  if (source.startsWith('registry:')) return { registry: source.slice('registry:'.length) };
  if (/^https?:\/\//.test(source)) return { url: source };
  const document = source === '-' ? await readAll(io.input) : io.readFile(resolve(io.cwd, source));
  if (document === undefined || document.trim() === '') throw new UsageError(`There is nothing in ${source}`);
  return { document };
}

async function readAll(input: NodeJS.ReadableStream): Promise<string> {
  const parts: string[] = [];
  let size = 0;
  for await (const part of input) {
    size += part.length;
    if (size > 10_485_760) throw new UsageError('The document is larger than 10 MiB');
    parts.push(String(part));
  }
  return parts.join('');
}

function settings(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((one) => {
      const at = one.indexOf('=');
      if (at < 1) throw new UsageError('--set must be NAME=VALUE');
      return [one.slice(0, at), one.slice(at + 1)];
    }),
  );
}

/** From variables of the same name, else from whoever sits there. */
async function askFor(io: Io, { servers }: Preview): Promise<Record<string, string>> {
  const open = servers.flatMap(({ needs }) => needs.filter((need) => !need.given && (need.required || need.secret)));
  const answers: Record<string, string> = {};
  const missing = [];
  for (const need of open) {
    const found = io.env[need.name] ?? io.env[need.name.toUpperCase()];
    if (found) answers[need.name] = found;
    else if (need.required && need.default === null) missing.push(need);
  }
  if (missing.length === 0) return answers;
  const prompts = openPrompts(io);
  try {
    for (const { name, description, secret } of missing) {
      if (answers[name] !== undefined) continue;
      const about = description === null ? '' : ` (${printable(description)})`;
      answers[name] = await prompts.required(`${printable(name)}${about}: `, { hidden: secret });
    }
  } finally {
    prompts.close();
  }
  return answers;
}

function show(io: Io, { servers }: Preview): void {
  for (const { key, title, version, url, header, command, environment, needs, warnings, problems } of servers) {
    const lines = [
      `${key}: ${title}${version === null ? '' : ` ${version}`}`,
      ...(url === null ? [] : [`  at ${url}`]),
      ...(header === null ? [] : [`  key in the header ${header}`]),
      ...(command === null ? [] : [`  runs ${command}`]),
      ...Object.entries(environment).map(([name, value]) => `  with ${name}=${value}`),
      ...needs.filter(({ given }) => !given).map(({ name, required }) => `  ${required ? 'needs' : 'takes'} ${name}`),
      ...warnings.map((warning) => `  note: ${warning}`),
      ...problems.map((problem) => `  cannot be imported: ${problem}`),
    ];
    io.err(lines.map((line) => `${printable(line)}\n`).join(''));
  }
}
