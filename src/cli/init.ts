/** `init`: gatehouse.yaml and .env for a new installation, asked for on a terminal. What exists is never overwritten. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { GatehouseError } from '#core/error.ts';
import { type Io, UsageError } from './io.ts';
import { printJson } from './output.ts';

export interface InitOptions {
  readonly dir: string;
  readonly org?: string;
  readonly name?: string;
  readonly baseUrl?: string;
  readonly port?: string;
  readonly database?: string;
  readonly server?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

interface Answers {
  readonly org: string;
  readonly name: string;
  readonly baseUrl: string | undefined;
  readonly port: number;
  readonly database: string | undefined;
  readonly server: string | undefined;
}

const slugForm = /^[a-z0-9][a-z0-9-]{0,62}$/;

export async function init(io: Io, options: InitOptions): Promise<void> {
  const folder = resolve(io.cwd, options.dir);
  const files = { config: join(folder, 'gatehouse.yaml'), env: join(folder, '.env') };
  for (const path of Object.values(files))
    if (existsSync(path))
      throw new GatehouseError('setting', { message: `${path} is there already: nothing was made` });
  const answers = await answersFor(io, options);
  await mkdir(folder, { recursive: true });
  const flag = 'wx';
  await writeFile(files.env, envText(answers), { mode: 0o600, flag });
  await writeFile(files.config, configText(answers), { mode: 0o644, flag });
  if (options.json) printJson(io, { files: [files.config, files.env] });
  else
    io.err(
      `Wrote ${files.config} and ${files.env} (only you can read it: keep a copy of its key).\nNext: ${io.command} doctor, then ${io.command} serve\n`,
    );
}

async function answersFor(io: Io, options: InitOptions): Promise<Answers> {
  const asked = io.inIsTerminal && io.errIsTerminal && !options.yes ? await ask(options) : options;
  const org = asked.org ?? 'main';
  if (!slugForm.test(org)) throw new UsageError('--org must be a-z, 0-9 and "-", at most 63 characters');
  for (const [flag, url] of [
    ['--base-url', asked.baseUrl],
    ['--server', asked.server],
  ] as const)
    if (url !== undefined && !/^https?:\/\//.test(url))
      throw new UsageError(`${flag} must start with http:// or https://`);
  if (asked.database !== undefined && !/^postgres(ql)?:\/\//.test(asked.database))
    throw new UsageError('--database must start with postgresql://');
  const { baseUrl, database, server } = asked;
  return { org, name: asked.name ?? org, port: Number(asked.port ?? 3000), baseUrl, database, server };
}

/** Every question has a flag; what a flag says is not asked. */
async function ask(options: InitOptions): Promise<InitOptions> {
  const { cancel, intro, isCancel, outro, text } = await import('@clack/prompts');
  const question = async (given: string | undefined, message: string, placeholder: string, initialValue = '') => {
    if (given !== undefined) return given;
    const answer = await text({ message, placeholder, initialValue });
    if (!isCancel(answer)) return answer.trim() === '' ? undefined : answer.trim();
    cancel('Nothing was made');
    throw new GatehouseError('setting', { message: 'Nothing was made' });
  };
  intro('A new gateway');
  const org = await question(options.org, 'Organization, as in URLs', 'acme', 'main');
  const name = await question(options.name, 'Its name for people', 'Acme Ltd');
  const baseUrl = await question(
    options.baseUrl,
    'URL that clients reach it at (empty: this machine)',
    'https://mcp.acme.example',
  );
  const database = await question(options.database, 'PostgreSQL (empty: a file here)', 'postgresql://…');
  const server = await question(
    options.server,
    'URL of a first MCP server (may be empty)',
    'https://mcp.example.com/mcp',
  );
  outro('That is all');
  return { ...options, ...defined({ org, name, baseUrl, database, server }) };
}

const defined = (values: Readonly<Record<string, string | undefined>>) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));

const quoted = (value: string): string => `'${value.replaceAll("'", '')}'`;

function envText({ baseUrl, port, database }: Answers): string {
  const lines = [
    '# Secrets of this gateway. Losing ENCRYPTION_KEY loses every credential that it keeps.',
    `ENCRYPTION_KEY=${randomBytes(32).toString('base64')}`,
    `PORT=${port}`,
    ...(baseUrl === undefined ? [] : [`BASE_URL=${quoted(baseUrl)}`]),
    ...(database === undefined ? [] : [`DATABASE_URL=${quoted(database)}`]),
  ];
  return `${lines.join('\n')}\n`;
}

function configText({ org, name, server }: Answers): string {
  const first = server === undefined ? { kind: 'builtin', name: 'time' } : { kind: 'http', url: server };
  const key = server === undefined ? 'time' : 'first';
  const document = {
    organizations: [{ slug: org, name }],
    servers: [{ key, transport: first }],
    enablements: [{ organization: org, server: key, allMembers: true }],
  };
  const head =
    '# yaml-language-server: $schema=https://unpkg.com/mcp-gatehouse/docs/reference/gatehouse.schema.json\n' +
    `# Everything structured about this gateway; secrets are in .env. Reached at /${org}/mcp.\n`;
  return `${head}${stringify(document)}`;
}
