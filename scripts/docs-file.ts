/** docs/reference/gatehouse-yaml.md: every key of the file, from the schemas that read it. */
import { z } from 'zod';
import { identityAdapters } from '#adapters/identity/index.ts';
import { configSchema, isSecretPath } from '#config/schema.ts';
import { settings } from '#config/settings.ts';
import { made, table } from '#scripts/markdown.ts';

interface Node {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly format?: string;
  readonly default?: unknown;
  readonly description?: string;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: unknown;
  readonly required?: readonly string[];
}

export interface FileKey {
  readonly path: readonly string[];
  readonly type: string;
  readonly default: string;
  readonly meaning: string;
}

type Path = readonly string[];

function schemaOf(schema: z.ZodType): Node {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Node;
}

function typeOf(node: Node): string {
  if (node.enum) return node.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (node.const !== undefined) return `\`${String(node.const)}\``;
  const either = node.anyOf ?? node.oneOf;
  if (either) return [...new Set(either.map(typeOf))].join(' or ');
  if (node.type === 'array') return node.items ? `list of ${typeOf(node.items)}` : 'list';
  if (node.type === 'object') return 'map';
  if (node.format === 'uri') return 'URL';
  return { string: 'text', integer: 'number', boolean: 'true, false' }[node.type ?? ''] ?? node.type ?? 'any';
}

/** What the file may hold below `node`, a map of its own being flattened into dotted paths. */
function listKeys(node: Node, at: Path, defaults: unknown): readonly FileKey[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, value]) => {
    const path = [...at, key];
    const set = field(defaults, key);
    if (value.type === 'object' && value.properties) return listKeys(value, path, set);
    const setting = settings.find((known) => known.path?.join('.') === path.join('.'));
    const own = { path, type: typeOf(value), meaning: value.description ?? setting?.meaning ?? '' };
    const needed = node.required?.includes(key) ? 'required' : shown(value.default ?? set);
    const inner = value.items?.properties ? listKeys(value.items, [...at, `${key}[]`], undefined) : [];
    return [{ ...own, default: setting?.default ?? needed }, ...inner];
  });
}

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function shown(value: unknown): string {
  const empty = value === undefined || (typeof value === 'object' && Object.keys(value ?? {}).length === 0);
  return empty ? '' : typeof value === 'string' ? value : JSON.stringify(value);
}

/** The keys of one top-level section. */
export function listSection(name: string): readonly FileKey[] {
  const all = configSchema.parse({});
  const { [name]: section } = schemaOf(configSchema).properties ?? {};
  if (!section) return [];
  return listKeys({ properties: { [name]: section } }, [], all);
}

/** The keys of an entry of `identity`, without `kind`. */
export function listIdentityKeys(kind: string): readonly FileKey[] {
  const adapter = identityAdapters.list.find((known) => known.kind === kind);
  return adapter ? listKeys(schemaOf(adapter.config), [], undefined) : [];
}

function keyTable(keys: readonly FileKey[], base: Path = []): string {
  const rows = keys.map(({ path, type, default: fallback, meaning }) => {
    const secret = isSecretPath([...base, ...path]) ? ' Secret: a reference.' : '';
    return [`\`${path.join('.')}\``, type, fallback, `${meaning}${secret}`.trim()];
  });
  return table(['key', 'value', 'default', 'meaning'], rows);
}

function identityText(): string {
  const kinds = identityAdapters.list.map(({ kind, title }) => ({ kind, title, keys: listIdentityKeys(kind) }));
  const shared = (key: FileKey) =>
    kinds.filter(({ keys }) => keys.some((other) => JSON.stringify(other) === JSON.stringify(key))).length >= 5;
  const common = (kinds[0]?.keys ?? []).filter(shared);
  const names = new Set(common.map(({ path }) => path.join('.')));
  const own = kinds.map(({ kind, title, keys }) => {
    const left = keys.filter((key) => !names.has(key.path.join('.')));
    const lacks = [...names].filter((name) => !keys.some(({ path }) => path.join('.') === name));
    const without = lacks.length > 0 ? `\n\nWithout ${lacks.map((name) => `\`${name}\``).join(', ')}.` : '';
    const rows = left.length > 0 ? `\n\n${keyTable(left, ['identity'])}` : '';
    return `### \`kind: ${kind}\`\n\n${title}.${without}${rows}`;
  });
  return `A list; each entry has a \`kind\`. These every kind has:\n\n${keyTable(common, ['identity'])}\n\n${own.join('\n\n')}`;
}

export function filePage(): { readonly file: string; readonly text: string } {
  const sections = Object.keys(configSchema.shape)
    .map((name) => ({ name, body: name === 'identity' ? identityText() : keyTable(listSection(name)) }))
    .filter(({ name }) => !unsupported.has(name))
    .map(({ name, body }) => `## ${name}\n\n${body}`);
  const text = `# gatehouse.yaml

Every key of the file; what has a variable, too, is in [settings](config.md). Unknown keys are refused with their line.
Durations (\`…Ms\`) are milliseconds, or text with a unit: \`500ms\`, \`30s\`, \`5m\`, \`2h\`. Secrets are references,
\`\${NAME}\`, \`\${NAME:-default}\` or \`\${file:/run/secrets/name}\`.

${sections.join('\n\n')}
`;
  return { file: 'gatehouse-yaml.md', text: `${made('the schemas of the configuration')}\n${text}` };
}

const unsupported: ReadonlySet<string> = new Set(['groups']);
