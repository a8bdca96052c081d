/**
 * Files that clients keep their servers in, as plans: `mcpServers` (Claude, Cursor, Windsurf, Gemini, Kiro, …), `servers`
 * with `inputs` (VS Code), `context_servers` (Zed). Nothing in them is run or asked for: it is read.
 */
import { z } from 'zod';
import { secretName } from '#admin/transport-nouns.ts';
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type JsonObject, objectIn } from '#core/json.ts';
import { isReservedHeader } from '#core/reserved.ts';
import { importLimits } from './document.ts';
import { exactImage, exactNpm, exactPypi, shown, splitNpm, splitPypi } from './packages.ts';
import { type ImportPlan, keyFor, type Need } from './plan.ts';

const text = z.string().max(4096);
const texts = z.record(z.string().max(128), text).default({});
const entry = z.object({
  type: z.string().max(32).optional(),
  transport: z.string().max(32).optional(),
  url: text.optional(),
  serverUrl: text.optional(),
  httpUrl: text.optional(),
  headers: texts,
  command: text.optional(),
  args: z.array(text).max(100).default([]),
  env: texts,
  disabled: z.boolean().optional(),
});
type Entry = z.output<typeof entry>;

const vsCodeInput = z.object({
  id: z.string().max(128),
  description: text.optional(),
  password: z.boolean().default(false),
  default: text.optional(),
  options: z.array(text).max(100).optional(),
});
type VsCodeInput = z.output<typeof vsCodeInput>;

interface Planning {
  readonly inputs: ReadonlyMap<string, VsCodeInput>;
  readonly needs: Map<string, Need>;
  readonly warnings: string[];
  readonly problems: string[];
}

/** Throws `bad_request`. */
export function planClientConfig(value: JsonObject): readonly ImportPlan[] {
  const root = objectIn(value, 'mcp') ?? value;
  const found = objectIn(root, 'mcpServers') ?? objectIn(root, 'servers') ?? objectIn(root, 'context_servers') ?? {};
  const listed = z
    .array(vsCodeInput)
    .max(200)
    .safeParse(root.inputs ?? []);
  const inputs = new Map((listed.data ?? []).map((one) => [one.id, one]));
  const names = Object.keys(found);
  if (names.length > importLimits.servers)
    throw new GatehouseError('bad_request', { message: `The document has more than ${importLimits.servers} servers` });
  const taken = new Set<string>();
  return names.map((name) => {
    const one = found[name];
    const plan = planEntry(name, isJsonObject(one) ? one : {}, inputs);
    const key = free(plan.key, taken);
    return key === plan.key ? plan : { ...plan, key };
  });
}

function free(wanted: string, taken: Set<string>): string {
  let key = wanted;
  for (let n = 2; taken.has(key); n++) key = `${wanted.slice(0, 58)}-${n}`;
  taken.add(key);
  return key;
}

function planEntry(name: string, value: JsonObject, inputs: Planning['inputs']): ImportPlan {
  const about = { key: keyFor(name), title: shown(name), description: undefined, version: undefined };
  const parsed = entry.safeParse(value);
  const planning: Planning = { inputs, needs: new Map(), warnings: [], problems: [] };
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const problems = [`It is wrong at ${shown(issue?.path.join('.') ?? '')}: ${issue?.message}`];
    return { ...about, way: undefined, needs: [], warnings: [], problems };
  }
  if (parsed.data.disabled) planning.warnings.push('It is switched off in the file');
  const way = planWay(parsed.data, planning);
  const { needs, warnings, problems } = planning;
  return { ...about, way, needs: [...needs.values()], warnings, problems };
}

function planWay(one: Entry, planning: Planning): ImportPlan['way'] {
  const url = one.url ?? one.serverUrl ?? one.httpUrl;
  if (url !== undefined) return planRemote(one, url, planning);
  if (one.command !== undefined) return planCommand(one.command, one, planning);
  planning.problems.push('It has neither a url nor a command');
  return undefined;
}

function planRemote({ type, transport, headers }: Entry, url: string, planning: Planning): ImportPlan['way'] {
  const kind = (type ?? transport) === 'sse' ? 'sse' : 'http';
  if (/[?&][^=&]*(?:key|token|secret|password)=(?!\$\{)[^&]/i.test(url) || /:\/\/[^/]*@/.test(url))
    planning.problems.push('Its address has a secret in it');
  const address = read(url, { name: 'url', isSecret: false }, planning);
  if ([...planning.needs.values()].some(({ secret }) => secret))
    planning.problems.push('Its address would have a secret in it');
  const carriers = Object.entries(headers).filter(([name]) => !/^(?:accept|content-type|user-agent)$/i.test(name));
  const [carrier, ...more] = carriers;
  if (more.length > 0)
    planning.problems.push(
      `It sends ${carriers.length} headers (${carriers.map(([name]) => shown(name)).join(', ')}): one can be sent`,
    );
  return { kind, url: address, header: carrier && readHeader(carrier, planning) };
}

function readHeader([name, value]: readonly [string, string], planning: Planning) {
  if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name) || isReservedHeader(name)) {
    planning.problems.push(`The header ${shown(name)} is one that the gateway sets itself`);
    return undefined;
  }
  const [, scheme = '', rest = ''] = /^((?:Bearer|Basic|Token)\s+)?([\s\S]*)$/i.exec(value) ?? [];
  // What follows the scheme is the key, whether it stands there or is asked for.
  const found = read(rest, { name, isSecret: true }, planning);
  return { name: name.toLowerCase(), template: scheme + found };
}

interface Place {
  readonly name: string;
  readonly isSecret: boolean;
}

const reference = /\$\{(?:(input|env):)?([A-Za-z_][\w.-]{0,127})(?::-([^}]*))?\}|\{env:([A-Za-z_]\w{0,127})\}/g;

/** References become places; a secret that stands there becomes a place whose value is known. */
function read(value: string, { name, isSecret }: Place, { inputs, needs }: Planning): string {
  let isReferring = false;
  const result = value.replace(reference, (_all, kind, id: string | undefined, fallback: string | undefined, other) => {
    isReferring = true;
    const place = id ?? other;
    const input = kind === 'input' ? inputs.get(place) : undefined;
    const secret = isSecret || input?.password === true || (kind !== 'input' && secretName.test(place));
    needs.set(place, {
      ...{ name: place, description: input?.description, required: true, secret, choices: input?.options ?? [] },
      default: secret ? undefined : (input?.default ?? fallback),
      given: undefined,
    });
    return `{${place}}`;
  });
  if (isReferring || !isSecret || value === '') return isReferring || !isSecret ? result : '{}';
  const place = name.replace(/[^A-Za-z0-9]+/g, '_').replace(/^_+/, '') || 'key';
  needs.set(place, {
    ...{ name: place, description: undefined, required: true, secret: true, choices: [] },
    ...{ default: undefined, given: value },
  });
  return `{${place}}`;
}

const shells = /^(?:(?:.*[\\/])?(?:ba|da|z|k|c|tc|fi)?sh|(?:.*[\\/])?(?:cmd|powershell|pwsh|wsl)(?:\.exe)?)$/i;

function planCommand(command: string, { args, env }: Entry, planning: Planning): ImportPlan['way'] {
  const { problems } = planning;
  const base = command.replace(/\.(?:cmd|exe)$/i, '');
  const bridged = base === 'npx' ? bridgedRemote(args) : undefined;
  if (bridged) return planRemote(bridged, bridged.url, planning);
  const isOdd = [command, ...args].some((word) => /[\0\r\n]/.test(word));
  if (isOdd) problems.push('Its command has line breaks or worse in it');
  if (shells.test(command)) problems.push('It runs a shell: name the program itself, so that it is seen what runs');
  if (args.some((word) => isSecretValue('', word)))
    problems.push('Its arguments have a secret in them, which everybody on the machine sees: use a variable');
  const words = args.map((word, i) => read(word, { name: `argument_${i + 1}`, isSecret: false }, planning));
  const found = Object.fromEntries(
    Object.entries(env).map(([name, value]) => {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) problems.push(`"${shown(name)}" is no name of a variable`);
      return [name, read(value, { name, isSecret: isSecretValue(name, value) }, planning)];
    }),
  );
  if (base === 'npx' || base === 'bunx' || base === 'uvx' || base === 'pipx')
    return planRunner(base, words, { env: found, problems });
  if (base === 'docker' || base === 'podman') return planContainer(words, found, planning);
  return { kind: 'stdio', command, image: '', args: words, env: found };
}

const isSecretValue = (name: string, value: string): boolean =>
  secretName.test(name) ||
  /^(?:sk[-_]|ghp_|github_pat_|glpat-|xox[abpr]-|AKIA|eyJ)/.test(value) ||
  /:\/\/[^/\s]*:[^/@\s]+@/.test(value);

/** `npx mcp-remote URL [--header 'Name: value']`: the server itself is elsewhere, and the gateway needs no bridge to it. */
function bridgedRemote(args: readonly string[]) {
  const [spec, url, ...rest] = args.filter((word) => !/^(?:-y|--yes)$/.test(word));
  if (!/^mcp-remote(?:@.*)?$/.test(spec ?? '') || url === undefined || !/^https?:/.test(url)) return undefined;
  const at = rest.indexOf('--header');
  const [, name, value] = (at < 0 ? undefined : /^([^:]+):\s*(.*)$/.exec(rest[at + 1] ?? '')) ?? [];
  return { ...entry.parse({ headers: name === undefined ? {} : { [name.trim()]: value } }), url };
}

interface Runner {
  readonly env: Readonly<Record<string, string>>;
  readonly problems: string[];
}

function planRunner(program: string, words: readonly string[], { env, problems }: Runner): ImportPlan['way'] {
  const skipped = program === 'pipx' ? ['run'] : ['-y', '--yes', '-q', '--quiet'];
  const at = words.findIndex((word) => !skipped.includes(word));
  const spec = words[at] ?? '';
  if (spec.startsWith('-')) {
    problems.push(`The option ${shown(spec)} of ${program} is not taken: name the package and its version alone`);
    return undefined;
  }
  const isNpm = program === 'npx' || program === 'bunx';
  const { name, version } = isNpm ? splitNpm(spec) : splitPypi(spec);
  const exact = isNpm ? exactNpm(name, version) : exactPypi(name, version);
  if ('problem' in exact) {
    problems.push(exact.problem);
    return undefined;
  }
  const head = isNpm ? ['-y', exact.exact] : [exact.exact];
  return { kind: 'stdio', command: isNpm ? 'npx' : 'uvx', image: '', args: [...head, ...words.slice(at + 1)], env };
}

/** `docker run -i --rm -e NAME[=VALUE] IMAGE [ARGUMENT…]`, and no other option: they reach into the host (SECURITY G7). */
function planContainer(words: readonly string[], env: Record<string, string>, planning: Planning): ImportPlan['way'] {
  const { problems, warnings } = planning;
  const rest = [...words];
  if (rest.shift() !== 'run') problems.push('Of docker only `docker run` is taken');
  const more: Record<string, string> = {};
  for (let word = rest[0]; word?.startsWith('-'); word = rest[0]) {
    rest.shift();
    if (/^(?:-i|--rm|-it?|--interactive|--init|--pull=never)$/.test(word)) continue;
    if (word !== '-e' && word !== '--env') {
      problems.push(`The option ${shown(word)} of docker is not taken: use \`gatehouse run\``);
      return undefined;
    }
    const [name = '', ...value] = (rest.shift() ?? '').split('=');
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) problems.push(`"${shown(name)}" is no name of a variable`);
    const given = value.join('=');
    if (value.length > 0) more[name] = read(given, { name, isSecret: isSecretValue(name, given) }, planning);
    else if (env[name] === undefined)
      more[name] = read(`\${${name}}`, { name, isSecret: secretName.test(name) }, planning);
  }
  const found = exactImage(rest.shift() ?? '', undefined);
  if ('problem' in found) {
    problems.push(found.problem);
    return undefined;
  }
  if (!found.hasDigest) warnings.push('A tag can be moved to another image: with a digest it cannot');
  return { kind: 'container', command: '', image: found.image, args: rest, env: { ...env, ...more } };
}
