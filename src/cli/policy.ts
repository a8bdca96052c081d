/** `gatehouse policy`: policies saved, tested and shown. */
import { resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { policyCase } from '#admin/contract/policies.ts';
import type { RouteInput, RouteOutput } from '#admin/contract.ts';
import { GatehouseError } from '#core/error.ts';
import { type Connection, type ConnectOptions, connect } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { chooseOrganization } from './organization.ts';
import { printable, printJson } from './output.ts';
import { printTable } from './table.ts';

interface Options extends ConnectOptions {
  readonly org?: string;
  readonly json?: boolean;
}

interface Ready {
  readonly connection: Connection;
  readonly organization: string;
}

async function connected(io: Io, options: Options, work: (ready: Ready) => Promise<void>): Promise<void> {
  const connection = await connect(io, options);
  try {
    await work({ connection, organization: await chooseOrganization(connection, options.org) });
  } finally {
    await connection.close();
  }
}

export function listPolicies(io: Io, options: Options): Promise<void> {
  return connected(io, options, async ({ connection, organization }) => {
    const items = await connection.list('listPolicies', { organization });
    if (options.json) return printJson(io, items);
    printTable(
      io,
      ['NAME', 'FOR', 'MODE', 'ON ERROR', 'VERSION', 'BY'],
      items.map(({ name, server, collection, mode, onError, version, managedBy }) => [
        ...[name, server ? `server ${server}` : collection ? `collection ${collection}` : 'everything'],
        ...[mode, onError, String(version), managedBy],
      ]),
    );
  });
}

interface PutOptions extends Options {
  readonly file: string;
  readonly server?: string;
  readonly collection?: string;
  readonly onError?: 'deny' | 'skip';
  readonly mode?: 'enforce' | 'log';
}

export function putPolicy(io: Io, name: string, options: PutOptions): Promise<void> {
  const source = readPolicies(io, options.file);
  return connected(io, options, async ({ connection, organization }) => {
    const items = await connection.list('listPolicies', { organization });
    const route = items.some((item) => item.name === name) ? 'updatePolicy' : 'createPolicy';
    const { server, collection, onError, mode } = options;
    const wanted = { organization, name, ...source, ...defined({ server, collection, onError, mode }) };
    const saved = await connection.call(route, wanted as RouteInput<'createPolicy'>);
    for (const warning of saved.warnings) io.err(`Warning: ${printable(warning)}\n`);
    if (options.json) printJson(io, saved);
    else io.err(`Saved ${saved.name}, version ${saved.version}.\n`);
  });
}

export function removePolicy(io: Io, name: string, options: Options): Promise<void> {
  return connected(io, options, async ({ connection, organization }) => {
    const removed = await connection.call('removePolicy', { organization, name });
    if (options.json) printJson(io, removed);
    else io.err(`Removed ${removed.name}.\n`);
  });
}

interface TestOptions extends Options {
  readonly cases?: string;
  readonly claims?: string;
  readonly action?: string;
  readonly server?: string;
  readonly collection?: string;
  readonly resource?: string;
  readonly args?: string;
  readonly draft?: string;
}

type Result = RouteOutput<'testPolicies'>['results'][number];

/** Throws where a case comes out otherwise than expected. */
export function testPolicies(io: Io, options: TestOptions): Promise<void> {
  const cases = options.cases === undefined ? [oneCase(options)] : readCases(io, options.cases);
  const draft = options.draft === undefined ? undefined : readPolicies(io, options.draft);
  const { server } = options;
  return connected(io, options, async ({ connection, organization }) => {
    const answer = await connection.call('testPolicies', {
      organization,
      cases,
      ...(draft && { draft: { name: 'draft', ...draft, ...defined({ server }) } as RouteInput<'createPolicy'> }),
    });
    for (const warning of answer.warnings) io.err(`Warning: ${printable(warning)}\n`);
    if (options.json) printJson(io, answer.results);
    else for (const [i, result] of answer.results.entries()) printResult(io, result, i);
    const wrong = answer.results.filter(({ decision, expected }) => expected !== null && decision !== expected);
    if (wrong.length === 0) return;
    const message = `${wrong.length} of ${answer.results.length} cases come out otherwise than expected`;
    throw new GatehouseError('conflict', { message });
  });
}

const refusals = {
  membership: 'is no member, or kept out',
  enablement: 'is not enabled there, or not published',
  grant: 'nothing grants it',
  switch: 'is switched off',
  policy: undefined,
  limit: 'a limit is used up',
} as const;

function printResult(io: Io, { name, decision, expected, asked, outcome }: Result, i: number): void {
  const verdict = expected === null || expected === decision ? '' : `, expected ${expected}`;
  // What policies permit may be refused by something else all the same.
  const other = outcome?.step ? refusals[outcome.step] : undefined;
  const whole = other === undefined ? decision : `deny (${other}; policies: ${decision})`;
  io.out(`${printable(name ?? `case ${i + 1}`)}: ${whole}${verdict}\n`);
  for (const set of asked) {
    const why = [...set.policies, ...set.errors.map((error) => `error: ${error}`)].join('; ') || 'no policy permits it';
    const mode = set.mode === 'log' ? ' (only logs)' : '';
    io.out(`  ${printable(`${set.policy}@${set.version}${mode}: ${set.decision} (${why})`)}\n`);
  }
  if (asked.length === 0) io.out('  no policy is attached there\n');
}

export function showMatrix(io: Io, options: Options & { readonly server?: string }): Promise<void> {
  return connected(io, options, async ({ connection, organization }) => {
    const { server } = options;
    const matrix = await connection.call('showPolicyMatrix', { organization, ...defined({ server }) });
    if (options.json) return printJson(io, matrix);
    const rows = matrix.rows.map(({ endpoint, server: of, tool, cells }) => [
      endpoint === of ? endpoint : `${endpoint} (${of})`,
      tool === '*' ? '(any other)' : tool,
      ...cells.map((cell) => words[cell]),
    ]);
    printTable(io, ['ENDPOINT', 'TOOL', ...matrix.groups], rows);
    if (io.outIsTerminal) io.err('yes: may use it   -: not granted   denied: granted, but a policy refuses\n');
  });
}

const words = { yes: 'yes', grant: '-', policy: 'denied' } as const;

type Source = { readonly policies: string } | { readonly config: Readonly<Record<string, unknown>> };
const map = z.record(z.string(), z.unknown());

/** By its ending. Throws UsageError. */
function readPolicies(io: Io, file: string): Source {
  const text = readText(io, file);
  if (!/\.(?:json|ya?ml)$/i.test(file)) return { policies: text };
  return { config: parsed(text, file, map) };
}

function readCases(io: Io, file: string): RouteInput<'testPolicies'>['cases'] {
  return parsed(readText(io, file), file, z.array(policyCase));
}

function oneCase({ claims, action, server, collection, resource, args }: TestOptions) {
  if (server === undefined || resource === undefined)
    throw new UsageError('Say what is asked for: --server and --resource, or a file of --cases');
  const given = {
    ...defined({ action, server, collection, resource }),
    ...(claims === undefined ? {} : { claims: parsed(claims, '--claims', map) }),
    ...(args === undefined ? {} : { args: parsed(args, '--args', map) }),
  };
  const result = policyCase.safeParse(given);
  if (result.success) return result.data;
  throw new UsageError(`--${result.error.issues[0]?.path.join('.')} is wrong: ${result.error.issues[0]?.message}`);
}

function readText(io: Io, file: string): string {
  const text = io.readFile(resolve(io.cwd, file));
  if (text === undefined) throw new UsageError(`${file} does not exist`);
  return text;
}

/** JSON is YAML too. */
function parsed<T>(text: string, what: string, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = parse(text, { schema: 'core', maxAliasCount: 0 });
  } catch (cause) {
    throw Object.assign(new UsageError(`${what} is neither JSON nor YAML`), { cause });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new UsageError(`${what}: ${issue?.path.join('.') || 'it'} is wrong: ${issue?.message ?? 'correct it'}`);
}

/** Without what is not given. */
function defined<T extends Readonly<Record<string, unknown>>>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}
