/** Examples of the admin API, made from its schemas: the same ones every time. */

export interface Schema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
}

const uuid = '01932d3c-8f00-7a00-8000-000000000001';
const time = '2026-11-20T08:00:00.000Z';
const digest = 'ab'.repeat(32);

const byName: Readonly<Record<string, unknown>> = {
  ...{ organization: 'acme', slug: 'acme', externalId: 'org_123', org: 'acme' },
  ...{ server: 'github', key: 'github', as: 'github', name: 'research', title: 'Research', collection: 'research' },
  ...{
    group: 'engineering',
    groups: ['engineering'],
    email: 'ada@acme.example',
    username: 'ada',
    user: uuid,
    id: uuid,
  },
  ...{ url: 'https://mcp.acme.example/mcp', domain: 'mcp.acme.example', issuer: 'https://login.acme.example' },
  ...{ tool: 'search', tools: ['search'], roles: ['member'], version: '1.0.0', hash: digest, digest },
  ...{ policies: 'permit(principal, action, resource);', command: 'npx', next: null, cursor: 'WyIiLDEsIjEiXQ' },
};

/** Fits the schema where that can be told from the schema alone. */
export function exampleOf(schema: Schema, name = '', depth = 0): unknown {
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const known = Object.hasOwn(byName, name) ? byName[name] : undefined;
  if (known !== undefined && fits(schema, known)) return known;
  if (schema.default !== undefined) return schema.default;
  const choice = (schema.anyOf ?? schema.oneOf ?? schema.allOf)?.[0];
  if (choice) return exampleOf(choice, name, depth);
  const type = typeof schema.type === 'string' ? schema.type : (schema.type?.[0] ?? '');
  if (type === 'object') return objectOf(schema, depth);
  if (type === 'array')
    return depth > 5 || !schema.items ? [] : [exampleOf(schema.items, name.replace(/s$/, ''), depth + 1)];
  if (type === 'integer' || type === 'number')
    return Math.max(schema.minimum ?? 1, (schema.exclusiveMinimum ?? 0) + 1, 1);
  if (type === 'boolean') return true;
  return type === 'string' ? stringOf(schema) : null;
}

function fits({ type, pattern, format, anyOf }: Schema, value: unknown): boolean {
  if (anyOf) return anyOf.some((each) => fits(each, value));
  if (value === null) return type === 'null';
  if (Array.isArray(value)) return type === 'array';
  if (format === 'uuid' && value !== uuid) return false;
  return (
    type === typeof value && (pattern === undefined || typeof value !== 'string' || new RegExp(pattern).test(value))
  );
}

/** Only what is required, of what goes in; an answer has everything. */
function objectOf({ properties = {}, required = [] }: Schema, depth: number): object {
  const wanted = Object.entries(properties).filter(([name]) => required.includes(name));
  return Object.fromEntries(wanted.map(([name, schema]) => [name, exampleOf(schema, name, depth + 1)]));
}

const byFormat: Readonly<Record<string, string>> = {
  ...{ 'date-time': time, uuid, uri: 'https://acme.example', email: 'ada@acme.example' },
};

function stringOf({ format = '', pattern, minLength = 0 }: Schema): string {
  const known = byFormat[format];
  if (known !== undefined) return known;
  const words = [
    'example',
    'EXAMPLE',
    digest,
    uuid,
    '/example',
    '2025-06-18',
    'https://acme.example',
    'mcp.acme.example',
  ];
  const word = words.find((each) => pattern === undefined || new RegExp(pattern, 'u').test(each)) ?? 'example';
  return word.padEnd(minLength, 'x');
}
