/**
 * What a server asks of the client in the middle of a request: a legacy server's own requests, a modern one's
 * `inputRequests` (2026-07-28 basic/patterns/mrtr). One shape here: `{method, params}`, answers are bare results.
 */
import { GatehouseError } from '#core/error.ts';
import { type JsonObject, objectIn } from '#core/json.ts';
import { isSince, listIn, mapListIn, mapObjectIn, omit, omitMeta } from './objects.ts';
import { splitSamplingMessage, toLegacySamplingMessage } from './sampling.ts';

const methods: ReadonlySet<string> = new Set(['elicitation/create', 'sampling/createMessage', 'roots/list']);

export function isQuestion(method: string): boolean {
  return methods.has(method);
}

const legacyMeta = ['progressToken', 'io.modelcontextprotocol/related-task'];

/** A legacy server's request as an entry of `inputRequests`. `method`: one of `isQuestion`. */
export function toInputRequest(method: string, params: JsonObject | undefined): JsonObject {
  const bare = omitMeta(omit(params ?? {}, ['task']), legacyMeta);
  if (method === 'roots/list') return Object.keys(bare).length > 0 ? { method, params: bare } : { method };
  return { method, params: bare.mode === 'url' ? omit(bare, ['elicitationId']) : bare };
}

export interface LegacyQuestion {
  readonly method: string;
  readonly params: JsonObject;
}

export interface LegacyAsking {
  /** The client's revision. */
  readonly version: string;
  /** URL elicitations have an id before 2026-07-28: unguessable, unique. */
  readonly newElicitationId: () => string;
}

/**
 * An entry of `inputRequests` as the request that a legacy client understands; undefined where its revision has no such
 * request. `mayAsk` comes first. Throws GatehouseError `upstream_broken` for an entry that is no question.
 */
export function toLegacyQuestion(request: JsonObject, asking: LegacyAsking): LegacyQuestion | undefined {
  const { method } = request;
  if (typeof method !== 'string' || !isQuestion(method)) throw malformed();
  const params = objectIn(request, 'params');
  if (method === 'roots/list') return { method, params: params ?? {} };
  if (!params) throw malformed();
  if (method === 'sampling/createMessage') return toLegacySampling(params, asking.version);
  if (!isSince(asking.version, '2025-06-18')) return undefined;
  if (isSince(asking.version, '2025-11-25')) {
    const needsId = params.mode === 'url' && params.elicitationId === undefined;
    return { method, params: needsId ? { ...params, elicitationId: asking.newElicitationId() } : params };
  }
  if (params.mode === 'url') return undefined;
  return { method, params: mapObjectIn(omit(params, ['mode']), 'requestedSchema', toFirstForm) };
}

function malformed(): GatehouseError {
  return new GatehouseError('upstream_broken', { message: 'The server asked a question that has no known form' });
}

function toLegacySampling(params: JsonObject, version: string): LegacyQuestion | undefined {
  const method = 'sampling/createMessage';
  if (isSince(version, '2025-11-25')) return { method, params };
  if (params.tools !== undefined || params.toolChoice !== undefined) return undefined;
  const messages = (listIn(params, 'messages') ?? []).flatMap((message) => splitSamplingMessage(message));
  return {
    method,
    params: mapListIn({ ...params, messages }, 'messages', (message) => toLegacySamplingMessage(message, version)),
  };
}

/** 2025-06-18 knows titled choices as `enum` beside `enumNames`. Lists of choices stay: there is no older form. */
function toFirstForm(schema: JsonObject): JsonObject {
  return mapObjectIn(omit(schema, ['$schema']), 'properties', (properties) =>
    Object.keys(properties).reduce((all, key) => mapObjectIn(all, key, toEnum), properties),
  );
}

function toEnum(property: JsonObject): JsonObject {
  const options = listIn(property, 'oneOf');
  if (property.type !== 'string' || !options) return property;
  const pairs = options.map((option) => objectIn({ option }, 'option') ?? {});
  const rest = omit(property, ['oneOf']);
  return {
    ...rest,
    enum: pairs.map((pair) => pair.const ?? ''),
    enumNames: pairs.map((pair) => pair.title ?? pair.const ?? ''),
  };
}

/** May a client with these capabilities be asked this? (`{}` for elicitation means forms only.) */
export function mayAsk(method: string, params: JsonObject | undefined, capabilities: JsonObject | undefined): boolean {
  switch (method) {
    case 'elicitation/create': {
      const declared = objectIn(capabilities, 'elicitation');
      if (!declared) return false;
      if (params?.mode === 'url') return objectIn(declared, 'url') !== undefined;
      return objectIn(declared, 'form') !== undefined || objectIn(declared, 'url') === undefined;
    }
    case 'sampling/createMessage': {
      const declared = objectIn(capabilities, 'sampling');
      const withTools = params?.tools !== undefined || params?.toolChoice !== undefined;
      return declared !== undefined && (!withTools || objectIn(declared, 'tools') !== undefined);
    }
    case 'roots/list':
      return objectIn(capabilities, 'roots') !== undefined;
    default:
      return false;
  }
}

/** The capabilities that a client needs to be asked this: `data.requiredCapabilities` of -32021. */
export function requiredCapabilities(method: string, params: JsonObject | undefined): JsonObject {
  if (method === 'elicitation/create') return { elicitation: params?.mode === 'url' ? { url: {} } : { form: {} } };
  if (method === 'roots/list') return { roots: {} };
  const withTools = params?.tools !== undefined || params?.toolChoice !== undefined;
  return { sampling: withTools ? { tools: {} } : {} };
}
