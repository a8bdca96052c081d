/** `gatehouse run`: shows the whole command, asks, and has the gateway run it (SECURITY G1). */
import { resolve } from 'node:path';
import type { RouteInput } from '#admin/contract.ts';
import { type Connection, type ConnectOptions, connect } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { printable, printJson } from './output.ts';
import { openPrompts } from './prompts.ts';
import { elsewhere } from './run-elsewhere.ts';
import { fromEnvironment, nameOf, readEnv, readOverrides, type SpecOptions, transportOf } from './run-spec.ts';

export interface RunOptions extends ConnectOptions, SpecOptions {
  readonly json?: boolean;
  readonly proxyPort?: number;
  readonly secret?: readonly string[];
  readonly tools?: readonly string[];
  readonly toolsOverride?: string;
  readonly organization?: string;
  readonly group?: string;
  readonly name?: string;
  readonly yes?: boolean;
}

type NewRun = RouteInput<'createRun'>;

export async function run(
  io: Io,
  { words, args }: { readonly words: readonly string[]; readonly args: readonly string[] },
  options: RunOptions,
): Promise<void> {
  refuseElsewhere(options);
  const [what = '', word, extra] = words;
  if (extra !== undefined) throw new UsageError(`Arguments of the server go behind --: -- ${printable(extra)}`);
  const name = options.name ?? word ?? nameOf(what);
  const { plain, secret } = readEnv(io, options.env);
  const transport = transportOf(io, { what, args, env: plain }, options);
  const variables = { ...secret, ...(await readSecrets(io, options.secret)) };
  const connection = await connect(io, options);
  try {
    const organization = await organizationOf(connection, options);
    const wish: NewRun = {
      ...{ key: name, transport },
      ...(Object.keys(variables).length > 0 && { variables }),
      ...(options.proxyPort !== undefined && { port: options.proxyPort }),
      ...(organization !== undefined && { organization }),
      ...(options.group !== undefined && { group: options.group }),
      ...(options.tools && { tools: [...options.tools] }),
      ...(options.toolsOverride !== undefined && { overrides: readOverrides(io, options.toolsOverride) }),
    };
    await askConsent(io, wish, options.yes === true);
    const made = await connection.call('createRun', wish);
    if (options.json) return printJson(io, made);
    const path = organization === undefined ? `/mcp/${name}` : `/${organization}/mcp/${name}`;
    io.err(`Made the server ${name}: it starts at its first call, at ${connection.url ?? ''}${path}.\n`);
    if (made.portProblem !== null) io.err(`${made.portProblem}\n`);
    else if (made.port !== null) io.err(`It also answers on port ${made.port}, at /mcp.\n`);
    if (organization === undefined) io.err('It is enabled for nobody yet: --organization says for whom.\n');
  } finally {
    await connection.close();
  }
}

/** Never from an argument: other users of the machine see those of every process (REQUIREMENTS S2.14). */
async function readSecrets(io: Io, given: readonly string[] = []): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  const missing: (readonly [target: string, name: string])[] = [];
  for (const text of given) {
    const [, from = '', target = from] = /^([^,]+)(?:,target=([A-Z][A-Z0-9_]{0,63}))?$/.exec(text) ?? [];
    const [, kind, place = ''] = /^(env|file):(.+)$/.exec(from) ?? [];
    if (!/^[A-Z][A-Z0-9_]{0,63}$/.test(target))
      throw new UsageError('--secret must be NAME,target=VARIABLE, where NAME may be env:NAME or file:/path');
    if (kind === 'file') values[target] = readSecretFile(io, place);
    else if (kind === 'env' || io.env[from]) values[target] = fromEnvironment(io, kind === 'env' ? place : from);
    else missing.push([target, from]);
  }
  if (missing.length > 0) {
    const prompts = openPrompts(io);
    try {
      for (const [target, name] of missing)
        values[target] = await prompts.required(`Value of ${printable(name)}: `, { hidden: true });
    } finally {
      prompts.close();
    }
  }
  return values;
}

function readSecretFile(io: Io, path: string): string {
  const text = io.readFile(resolve(io.cwd, path))?.trimEnd();
  if (text) return text;
  throw new UsageError(`The file ${path} does not exist or is empty: correct --secret`);
}

function refuseElsewhere(options: object): void {
  const camel = (flag: string) => flag.slice(2).replace(/-(\w)/g, (_whole, letter: string) => letter.toUpperCase());
  const given = elsewhere.find(({ flag }) => camel(flag) in options);
  if (given) throw new UsageError(`${given.flag} is no option of one server here: ${given.instead}`);
}

/** The one named, else the only one. */
async function organizationOf(connection: Connection, { organization }: RunOptions): Promise<string | undefined> {
  if (organization !== undefined) return organization;
  const items = await connection.list('listOrganizations', {});
  return items.length === 1 ? items[0]?.slug : undefined;
}

async function askConsent(io: Io, wish: NewRun, yes: boolean): Promise<void> {
  const { transport } = wish;
  if (!('args' in transport)) return;
  const { env = {}, volumes = [], permission } = transport;
  const network = permission?.network ?? 'none';
  const lines: readonly (readonly [string, string])[] = [
    ['command' in transport ? 'command' : 'image', 'command' in transport ? transport.command : transport.image],
    ['arguments', transport.args?.map((word) => JSON.stringify(word)).join(' ') || '-'],
    [
      'variables',
      [...Object.keys(env), ...Object.keys(wish.variables ?? {}).map((name) => `${name} (sealed)`)].join(', ') || '-',
    ],
    [
      'volumes',
      volumes.map((one) => `${one.source} → ${one.target}${one.readOnly === false ? ', writable' : ''}`).join('; ') ||
        '-',
    ],
    ['network', typeof network === 'string' ? network : network.allow.join(', ')],
    ['reads', permission?.read?.join(', ') || '-'],
    ['writes', permission?.write?.join(', ') || '-'],
  ];
  io.err("This is run on the gateway's machine:\n");
  for (const [label, text] of lines) io.err(`  ${label.padEnd(10)} ${printable(text)}\n`);
  if (yes) return;
  if (!io.inIsTerminal) throw new UsageError('Nobody is there to agree: look at it, and add --yes');
  const prompts = openPrompts(io);
  try {
    const answer = await prompts.required('Run it? (yes/no) ');
    if (!/^y(?:es)?$/i.test(answer)) throw new UsageError('Nothing was run');
  } finally {
    prompts.close();
  }
}
