/** `server.json` of the MCP registry (schema 2025-12-11) as plans: its remote before its packages. */
import { z } from 'zod';
import { GatehouseError } from '#core/error.ts';
import type { JsonObject } from '#core/json.ts';
import { isReservedHeader } from '#core/reserved.ts';
import { exactImage, exactNpm, exactPypi, shown } from './packages.ts';
import { type ImportPlan, keyFor, type Need, type ProgramPlan, placesIn, type RemotePlan } from './plan.ts';

const text = z.string().max(2048);
const inputFields = {
  description: text.optional(),
  isRequired: z.boolean().default(false),
  isSecret: z.boolean().default(false),
  default: text.optional(),
  value: text.optional(),
  choices: z.array(text).max(100).default([]),
};
const input = z.object(inputFields);
const variables = z.record(z.string().max(128), input).default({});
const named = z.object({ name: z.string().min(1).max(128), ...inputFields, variables });
const argument = z.object({
  type: z.enum(['positional', 'named']),
  name: z.string().max(128).optional(),
  valueHint: z.string().max(128).optional(),
  isRepeated: z.boolean().default(false),
  ...inputFields,
  variables,
});
const args = z.array(argument).max(50).default([]);
const remote = z.object({
  type: z.enum(['streamable-http', 'sse']),
  url: text,
  headers: z.array(named).max(20).default([]),
  variables,
});
const packaged = z.object({
  registryType: z.string().max(32),
  registryBaseUrl: text.optional(),
  identifier: text,
  version: z.string().max(255).optional(),
  fileSha256: z.string().max(64).optional(),
  runtimeHint: z.string().max(64).optional(),
  transport: z.object({ type: z.string().max(32) }),
  runtimeArguments: args,
  packageArguments: args,
  environmentVariables: z.array(named).max(50).default([]),
});
const official = z.object({ status: z.string().max(32).optional(), statusMessage: text.optional() });
const serverJson = z.object({
  name: z.string().regex(/^[A-Za-z0-9.-]{1,128}\/[A-Za-z0-9._-]{1,128}$/, 'must be namespace/name'),
  title: z.string().max(256).optional(),
  description: text.optional(),
  version: z.string().max(255).optional(),
  status: z.string().max(32).optional(),
  remotes: z.array(remote).max(20).default([]),
  packages: z.array(packaged).max(20).default([]),
  _meta: z.record(z.string(), z.unknown()).optional(),
});

type Package = z.output<typeof packaged>;
type Argument = z.output<typeof argument>;
type Named = z.output<typeof named>;

/** Also as a registry wraps it, `{server, _meta}`. Throws `bad_request`. */
export function planServerJson(value: JsonObject): ImportPlan {
  const isWrapped = typeof value.server === 'object' && value.server !== null && !('name' in value);
  const parsed = serverJson.safeParse(isWrapped ? value.server : value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue?.path.join('.') || 'its top';
    throw new GatehouseError('bad_request', { message: `server.json is wrong at ${shown(where)}: ${issue?.message}` });
  }
  const { name, title, description, version, remotes, packages, status } = parsed.data;
  const about = {
    key: keyFor(name),
    title: line(title ?? name, 128),
    description: description && line(description, 512),
  };
  const standing = standingOf(status, isWrapped ? value._meta : parsed.data._meta);
  const [best] = [...remotes].sort((a, b) => Number(a.type === 'sse') - Number(b.type === 'sse'));
  const way = best ? planRemote(best) : planPackage(packages);
  const warnings = [...standing.warnings, ...way.warnings];
  const problems = [...standing.problems, ...way.problems];
  return { ...about, description: about.description, version, way: way.way, needs: way.needs, warnings, problems };
}

interface Planned {
  readonly way: RemotePlan | ProgramPlan | undefined;
  readonly needs: readonly Need[];
  readonly warnings: readonly string[];
  readonly problems: readonly string[];
}

const nothing = (problem: string): Planned => ({ way: undefined, needs: [], warnings: [], problems: [problem] });

function standingOf(own: string | undefined, meta: unknown): Pick<Planned, 'warnings' | 'problems'> {
  const inRegistry = z.object({ 'io.modelcontextprotocol.registry/official': official }).safeParse(meta).data?.[
    'io.modelcontextprotocol.registry/official'
  ];
  const status = inRegistry?.status ?? own;
  const why = inRegistry?.statusMessage === undefined ? '' : `: ${line(inRegistry.statusMessage, 256)}`;
  if (status === 'deleted') return { warnings: [], problems: [`Its publisher has deleted it${why}`] };
  return { warnings: status === 'deprecated' ? [`Its publisher advises against it${why}`] : [], problems: [] };
}

function planRemote({ type, url, headers, variables: inUrl }: z.output<typeof remote>): Planned {
  const problems: string[] = [];
  const warnings: string[] = [];
  const needs = new Map(Object.entries(inUrl).map(([name, one]) => [name, needOf(name, one)]));
  // A key in an address is in every log on its way.
  if ([...needs.values()].some(({ secret }) => secret)) problems.push('Its address would have a secret in it');
  const secrets = headers.filter((header) => isSecretHeader(header));
  const [carrier, ...more] = secrets;
  if (more.length > 0) problems.push(`It wants ${secrets.length} headers with secrets: one can be sent`);
  for (const { name, isRequired } of headers.filter((header) => !secrets.includes(header)))
    (isRequired ? problems : warnings).push(`The header ${shown(name)} is not sent: only one with a key is`);
  const header = carrier && headerPlan(carrier, needs, problems);
  const way = { kind: type === 'sse' ? 'sse' : 'http', url, header } as const;
  return { way, needs: [...needs.values()], warnings, problems };
}

const isSecretHeader = ({ name, isSecret, variables: inner }: Named): boolean =>
  isSecret ||
  /^(?:authorization|.*(?:key|token|secret))$/i.test(name) ||
  Object.values(inner).some((one) => one.isSecret);

function headerPlan(header: Named, needs: Map<string, Need>, problems: string[]): RemotePlan['header'] {
  const { name, value, variables: inner } = header;
  if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name) || isReservedHeader(name)) {
    problems.push(`The header ${shown(name)} is one that the gateway sets itself`);
    return undefined;
  }
  const template = value === undefined ? `{${placeFor(name)}}` : value;
  const places = placesIn(template);
  if (places.length !== 1 || /[\r\n]/.test(template)) {
    problems.push(`The header ${shown(name)} must have one place for its key`);
    return undefined;
  }
  for (const place of places)
    needs.set(place, { ...needOf(place, inner[place] ?? header), secret: true, required: true, default: undefined });
  return { name: name.toLowerCase(), template };
}

const placeFor = (name: string): string =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_|_$/g, '') || 'key';

function needOf(name: string, one: z.output<typeof input>): Need {
  const { description, isRequired, isSecret, default: fallback, value, choices } = one;
  const isPlain = !isSecret && value !== undefined && placesIn(value).length === 0;
  return {
    ...{ name, description: description && line(description, 256), required: isRequired, secret: isSecret, choices },
    default: isSecret ? undefined : isPlain ? value : fallback,
    given: undefined,
  };
}

const publicRegistries: Readonly<Record<string, RegExp>> = {
  npm: /^https:\/\/registry\.npmjs\.org\/?$/,
  pypi: /^https:\/\/pypi\.org\/?$/,
};

/** Images are held apart from the host by more than packages are. */
function planPackage(packages: readonly Package[]): Planned {
  const order = ['oci', 'npm', 'pypi'];
  const known = packages.filter(({ registryType }) => order.includes(registryType));
  const [best] = known.sort((a, b) => order.indexOf(a.registryType) - order.indexOf(b.registryType));
  if (!best) {
    const kinds = packages.map(({ registryType }) => shown(registryType)).join(', ');
    return nothing(
      kinds === ''
        ? 'It has neither a remote nor a package'
        : `Packages of ${kinds} are not run here: images, npm and Python packages are`,
    );
  }
  const { registryType, registryBaseUrl, transport, runtimeArguments } = best;
  if (transport.type !== 'stdio') return nothing('Its package listens itself: define it with `gatehouse run`');
  const usual = publicRegistries[registryType];
  if (registryBaseUrl !== undefined && usual && !usual.test(registryBaseUrl))
    return nothing(`It comes from ${shown(registryBaseUrl)}, not from the public registry`);
  const odd = runtimeArguments.filter(
    ({ name, value }) => !/^(?:-y|--yes|-i|--rm|--interactive)$/.test(name ?? value ?? ''),
  );
  if (odd.length > 0)
    return nothing('It asks for arguments of the runtime (mounts, networks, flags): define it with `gatehouse run`');
  return planProgram(best);
}

function planProgram(one: Package): Planned {
  const { registryType, identifier, version, fileSha256, packageArguments, environmentVariables } = one;
  const warnings: string[] = [];
  const needs = new Map<string, Need>();
  const problems: string[] = [];
  const words = packageArguments.flatMap((argument) => argumentWords(argument, needs));
  const env: Record<string, string> = {};
  for (const item of environmentVariables) planVariable(item, { env, needs, problems });
  if (fileSha256 !== undefined && registryType !== 'oci')
    warnings.push(
      `Its SHA-256 (${shown(fileSha256)}) is not compared: the package's own registry vouches for the version`,
    );
  const rest = { env, image: '', command: '' };
  if (registryType === 'oci') {
    const found = exactImage(identifier, version);
    if ('problem' in found) return nothing(found.problem);
    if (!found.hasDigest) warnings.push('A tag can be moved to another image: with a digest it cannot');
    const way = { ...rest, kind: 'container', image: found.image, args: words } as const;
    return { way, needs: [...needs.values()], warnings, problems };
  }
  const isNpm = registryType === 'npm';
  const found = isNpm ? exactNpm(identifier, version) : exactPypi(identifier, version);
  if ('problem' in found) return nothing(found.problem);
  const head = isNpm ? ['-y', found.exact] : [found.exact];
  const way = { ...rest, kind: 'stdio', command: isNpm ? 'npx' : 'uvx', args: [...head, ...words] } as const;
  return { way, needs: [...needs.values()], warnings, problems };
}

function argumentWords(argument: Argument, needs: Map<string, Need>): readonly string[] {
  const { type, name, valueHint, value, variables: inner } = argument;
  for (const place of value === undefined ? [] : placesIn(value))
    if (inner[place]) needs.set(place, needOf(place, inner[place]));
  const place = placeFor(valueHint ?? name ?? 'argument');
  const isOpen =
    value === undefined && (type === 'positional' || argument.isRequired || argument.default !== undefined);
  if (isOpen) needs.set(place, needOf(place, argument));
  const word = value ?? (isOpen ? `{${place}}` : undefined);
  if (type === 'positional') return word === undefined ? [] : [word];
  return name === undefined ? [] : word === undefined ? [name] : [`${name}=${word}`];
}

interface Variables {
  readonly env: Record<string, string>;
  readonly needs: Map<string, Need>;
  readonly problems: string[];
}

function planVariable(item: Named, { env, needs, problems }: Variables): void {
  const { name, value, variables: inner } = item;
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    problems.push(`"${shown(name)}" is no name of a variable`);
    return;
  }
  if (value === undefined) {
    needs.set(name, needOf(name, item));
    env[name] = `{${name}}`;
    return;
  }
  for (const place of placesIn(value)) if (inner[place]) needs.set(place, needOf(place, inner[place]));
  env[name] = value;
}

const line = (given: string, max: number): string =>
  given
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .trim()
    .slice(0, max);
