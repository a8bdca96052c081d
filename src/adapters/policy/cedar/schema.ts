/** A Cedar schema of what there is: the entity model, and types of claims and arguments as far as anybody can know them. */
import type { RecordType, SchemaJson, Type } from '@cedar-policy/cedar-wasm/nodejs';
import type { KnownServers } from '#adapters/policy/policy.ts';
import { isJsonObject, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import type { CedarConfig } from './config.ts';
import type { ParsedPolicy } from './parse.ts';
import type { Names, Reads } from './reads.ts';
import { hints } from './slices.ts';

const string: Type<string> = { type: 'String' };
const long: Type<string> = { type: 'Long' };
const boolean: Type<string> = { type: 'Boolean' };
const decimal: Type<string> = { type: 'Extension', name: 'decimal' };
const texts: Type<string> = { type: 'Set', element: string };

/** Of OpenID Connect and of the identity providers that there are adapters for. */
export const commonClaims: ReadonlyMap<string, Type<string>> = new Map([
  ...['sub', 'iss', 'email', 'name', 'given_name', 'family_name', 'preferred_username', 'nickname', 'locale'].map(
    (name) => [name, string] as const,
  ),
  ...['org', 'org_id', 'org_name', 'org_slug', 'org_role', 'tid', 'oid', 'upn', 'azp', 'client_id', 'scope', 'scp'].map(
    (name) => [name, string] as const,
  ),
  ...['role', 'sid', 'jti', 'username', 'hd', 'appid', 'idp', 'department'].map((name) => [name, string] as const),
  ...['groups', 'roles', 'permissions', 'cognito:groups', 'amr'].map((name) => [name, texts] as const),
  ...['iat', 'exp', 'nbf', 'auth_time'].map((name) => [name, long] as const),
  ['email_verified', boolean],
]);

interface Facts {
  readonly config: CedarConfig;
  readonly reads: Reads;
  readonly known: KnownServers;
}

type Attributes = RecordType<string>['attributes'];

export function schemaFor(policies: readonly ParsedPolicy[], { config, reads, known }: Facts): SchemaJson<string> {
  const guess = guesser(policies, argumentTypes(known));
  const optional = ({ names }: Names, prefix: RegExp): Attributes =>
    Object.fromEntries(
      [...names].filter((name) => prefix.test(name)).map((name) => [name, { ...guess(name), required: false }]),
    );
  const claims = optional(reads.principal, /^claim(?:set)?_/);
  const resource = { ...needed(['name', 'operation', 'feature']), ...optional(reads.resource, /^arg_/) };
  const hinted = Object.fromEntries(hints.map((hint) => [hint, { ...boolean, required: false }]));
  const context = record(optional(reads.context, /^(?:claim(?:set)?|arg)_/));
  const action = (type: string) => ({
    appliesTo: { principalTypes: ['Client'], resourceTypes: [type], context },
  });
  const within = { memberOfTypes: ['MCP'] };
  const others = config.entities.flatMap(({ uid }) => ('__entity' in uid ? [uid.__entity.type] : [uid.type]));
  return {
    '': {
      entityTypes: {
        ...Object.fromEntries(others.map((type) => [type, {}])),
        [config.groupType]: { memberOfTypes: [config.groupType] },
        MCP: {},
        Client: { memberOfTypes: [config.groupType], shape: record(claims) },
        Tool: { ...within, shape: record({ ...resource, ...hinted }) },
        Prompt: { ...within, shape: record(resource) },
        Resource: { ...within, shape: record({ ...resource, ...needed(['uri']) }) },
        FeatureType: { ...within, shape: record({ ...resource, ...needed(['type']) }) },
      },
      actions: {
        call_tool: action('Tool'),
        get_prompt: action('Prompt'),
        read_resource: action('Resource'),
        list_tools: action('FeatureType'),
        list_prompts: action('FeatureType'),
        list_resources: action('FeatureType'),
      },
    },
  };
}

const record = (attributes: Attributes): Type<string> => ({ type: 'Record', attributes });
const needed = (names: readonly string[]): Attributes =>
  Object.fromEntries(names.map((name) => [name, { ...string, required: true }]));

const jsonTypes: ReadonlyMap<string, Type<string>> = new Map([
  ['string', string],
  ['integer', long],
  ['boolean', boolean],
]);

/** By what is known of it, else by how it is used. */
function guesser(policies: readonly ParsedPolicy[], args: ReadonlyMap<string, string>) {
  const text = policies.map((policy) => policy.text).join('\n');
  return (name: string): Type<string> => {
    const claim = name.startsWith('claim_') ? commonClaims.get(name.slice(6)) : undefined;
    const said = name.startsWith('arg_') ? jsonTypes.get(args.get(name.slice(4)) ?? '') : undefined;
    if (claim ?? said) return claim ?? said ?? string;
    if (name.startsWith('claimset_')) return texts;
    if (/^arg_.*_present$/s.test(name)) return boolean;
    const place = String.raw`(?:\.|\[")${RegExp.escape(name)}(?:"\])?\s*`;
    const used = (how: string) => new RegExp(place + how).test(text);
    if (used(String.raw`\.contains`)) return texts;
    if (used(String.raw`\.(?:less|greater)Than`)) return decimal;
    if (used(String.raw`(?:[<>+*-]|==\s*-?\d|!=\s*-?\d)`)) return long;
    if (used(String.raw`(?:==\s*(?:true|false)|&&|\|\||[);}])`))
      return used(String.raw`(?:==\s*"|like)`) ? string : boolean;
    return string;
  };
}

/** Argument → its type, as the tools' schemas have it. */
function argumentTypes({ servers }: KnownServers): ReadonlyMap<string, string> {
  const types = new Map<string, string>();
  for (const tool of servers.flatMap(({ tools = [] }) => tools)) {
    const properties: JsonObject = objectIn(objectIn(tool, 'inputSchema'), 'properties') ?? {};
    for (const [name, property] of Object.entries(properties)) {
      const type = isJsonObject(property) ? stringIn(property, 'type') : undefined;
      if (type !== undefined) types.set(name, type);
    }
  }
  return types;
}
