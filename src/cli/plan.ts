/** `plan`, `apply`, `export`: the whole configuration as a file (docs/guide/configuration-as-code.md). */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { stringify } from 'yaml';
import type { RouteOutput } from '#admin/contract.ts';
import { GatehouseError } from '#core/error.ts';
import { type Paint, paintFor } from './color.ts';
import { readDocumentFile } from './configuration-file.ts';
import { type ConnectOptions, connected } from './connection.ts';
import { type Io, UsageError } from './io.ts';
import { printable, printJson } from './output.ts';
import { openPrompts } from './prompts.ts';

type Plan = RouteOutput<'planConfiguration'>;

interface Options extends ConnectOptions {
  readonly json?: boolean;
}

export interface PlanOptions extends Options {
  readonly prune?: boolean;
  readonly pruneAll?: boolean;
  readonly adopt?: boolean;
  readonly detailedExitcode?: boolean;
  readonly yes?: boolean;
}

/** Answers the exit code. */
export async function planFile(io: Io, file: string, options: PlanOptions): Promise<number> {
  const { document, ignored } = readDocumentFile(io, file);
  return connected(io, options, async (connection) => {
    const plan = await connection.call('planConfiguration', { document, ...choicesOf(options) });
    show(io, plan, { options, ignored });
    return options.detailedExitcode && plan.changes.length > 0 ? 2 : 0;
  });
}

export async function applyFile(io: Io, file: string, options: PlanOptions): Promise<void> {
  const { document, ignored } = readDocumentFile(io, file);
  await connected(io, options, async (connection) => {
    const wish = { document, ...choicesOf(options) };
    const plan = await connection.call('planConfiguration', wish);
    const isNothing = plan.changes.length === 0;
    if (!options.json || isNothing) show(io, plan, { options, ignored });
    if (isNothing) return 0;
    if (!options.yes) await confirm(io);
    const done = await connection.call('applyConfiguration', { ...wish, digest: plan.digest });
    if (options.json) printJson(io, done);
    else io.err(`Applied: ${counted(done)}.\n`);
    return 0;
  });
}

const choicesOf = ({ prune, pruneAll, adopt = false }: PlanOptions) =>
  ({ prune: pruneAll ? 'all' : prune ? 'file' : 'none', adopt }) as const;

async function confirm(io: Io): Promise<void> {
  if (!io.inIsTerminal) throw new UsageError('Nobody can be asked here: look at `gatehouse plan`, then give --yes');
  const prompts = openPrompts(io);
  try {
    const answer = await prompts.required('Apply this? Only "yes" is: ');
    if (answer !== 'yes') throw new GatehouseError('setting', { message: 'Nothing was changed' });
  } finally {
    prompts.close();
  }
}

interface Showing {
  readonly options: PlanOptions;
  readonly ignored: readonly string[];
}

function show(io: Io, plan: Plan, { options, ignored }: Showing): void {
  if (options.json) {
    printJson(io, plan);
    return;
  }
  if (ignored.length > 0) io.err(`Not part of a plan: ${ignored.join(', ')} (settings of the gateway itself)\n`);
  for (const warning of plan.warnings) io.err(`Warning: ${printable(warning)}\n`);
  if (plan.changes.length === 0) {
    io.out('Nothing to change: the gateway is as the file says.\n');
    return;
  }
  const paint = paintFor(io);
  io.out(`${changeLines(plan, paint).join('\n')}\n\n${accessLines(plan, paint).join('\n')}\n\n`);
  io.out(`${paint('bold', 'Plan:')} ${counted(plan)}.\n`);
}

const signs = { add: ['+', 'green'], change: ['~', 'yellow'], remove: ['-', 'red'] } as const;

export function changeLines({ changes }: Pick<Plan, 'changes'>, paint: Paint): readonly string[] {
  return changes.flatMap(({ action, what, fields }) => {
    const [sign, color] = signs[action];
    const head = paint(color, `${sign} ${printable(what)}`);
    if (action === 'change' && fields.length === 0) return [`${head} ${paint('dim', '(a secret, or whose it is)')}`];
    const inner = fields.map(({ path, before, after }) => `    ${path}: ${shortened(before)} → ${shortened(after)}`);
    return [head, ...inner];
  });
}

const MAX_SHOWN = 120;

function shortened(value: unknown): string {
  const text = value === null || value === undefined ? 'none' : JSON.stringify(value);
  return printable(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text);
}

const MAX_NAMES = 5;
const MAX_LINES = 40;

/** People and groups of whom the same is true are one line. */
export function accessLines({ access }: Pick<Plan, 'access'>, paint: Paint): readonly string[] {
  if (access.length === 0) return ['Nobody gains or loses a tool.'];
  const alike = Map.groupBy(access, ({ organization, who, endpoint, server, gains, loses }) =>
    JSON.stringify([organization, who.kind, endpoint, server, gains, loses]),
  );
  const lines = [...alike.values()].flatMap((rows) => {
    const [first] = rows;
    if (!first) return [];
    const { organization, who, endpoint, server, gains, loses } = first;
    const place = `${organization}/${endpoint}${server === endpoint ? '' : ` (${server})`}`;
    const whom = whomOf(
      who.kind,
      rows.map((row) => row.who.name),
    );
    const line = (sign: '+' | '-', verb: string, tools: readonly string[]) =>
      paint(sign === '+' ? 'green' : 'red', printable(`  ${sign} ${whom} ${verb} ${place}: ${toolText(tools)}`));
    return [
      ...(gains.length > 0 ? [line('+', who.kind === 'everybody' ? 'gains' : verbOf(rows.length, 'gain'), gains)] : []),
      ...(loses.length > 0 ? [line('-', who.kind === 'everybody' ? 'loses' : verbOf(rows.length, 'lose'), loses)] : []),
    ];
  });
  const rest = lines.length - MAX_LINES;
  const more = rest > 0 ? [`  … and ${rest} more: see --json`] : [];
  return [paint('bold', 'Who gains and loses which tools:'), ...lines.slice(0, MAX_LINES), ...more];
}

const verbOf = (count: number, verb: string): string => (count === 1 ? `${verb}s` : verb);

function whomOf(kind: Plan['access'][number]['who']['kind'], names: readonly string[]): string {
  if (kind === 'everybody') return 'every member';
  const shown = names.slice(0, MAX_NAMES).join(', ');
  const others = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : '';
  const noun = kind === 'person' ? '' : `${kind}${names.length === 1 ? '' : 's'} `;
  return `${noun}${shown}${others}`;
}

function toolText(tools: readonly string[]): string {
  if (tools.includes('*')) return 'every tool';
  const shown = tools.slice(0, 2 * MAX_NAMES).join(', ');
  return tools.length > 2 * MAX_NAMES ? `${shown} and ${tools.length - 2 * MAX_NAMES} more` : shown;
}

export function counted({ changes }: Pick<Plan, 'changes'>): string {
  const count = (action: keyof typeof signs) => changes.filter((change) => change.action === action).length;
  return `${count('add')} to make, ${count('change')} to change, ${count('remove')} to remove`;
}

const schemaLine =
  '# yaml-language-server: $schema=https://unpkg.com/mcp-gatehouse/docs/reference/gatehouse.schema.json\n';

/** Mode 600 all the same: it names people. */
export function exportAll(io: Io, options: Options & { readonly output?: string }): Promise<void> {
  return connected(io, options, async (connection) => {
    const exported = await connection.call('exportConfiguration', {});
    const text = options.json ? `${JSON.stringify(exported, null, 2)}\n` : yamlOf(exported);
    if (options.output === undefined || options.output === '-') io.out(text);
    else await writeFile(resolve(io.cwd, options.output), text, { mode: 0o600 });
    const { variables, leftOut } = exported;
    if (variables.length > 0) io.err(`Secrets are not in it: ${variables.length} variables stand in their place.\n`);
    for (const what of leftOut) io.err(`Left out: ${printable(what)}\n`);
  });
}

function yamlOf({ document, variables, leftOut }: RouteOutput<'exportConfiguration'>): string {
  const comments = [
    ...variables.map(({ name, of }) => `# \${${name}}: ${of}`),
    ...leftOut.map((what) => `# not in here: ${what}`),
  ].map((line) => `${printable(line.replaceAll('\n', ' '))}\n`);
  const filled = Object.entries(document).filter(([name, value]) =>
    name === 'limits' ? JSON.stringify(value) !== '{"rules":[]}' : !Array.isArray(value) || value.length > 0,
  );
  return (
    schemaLine +
    comments.join('') +
    stringify(Object.fromEntries(filled), { lineWidth: 120, aliasDuplicateObjects: false })
  );
}
