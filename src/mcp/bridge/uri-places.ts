/** Every place where a message carries the URI of a resource (PROTOCOL 1.6): what is mapped, is mapped everywhere. */
import { isJsonObject, type Json, type JsonObject, objectIn } from '#core/json.ts';
import { RpcError, rpcCodes } from './errors.ts';
import { listIn, mapListIn, mapObjectIn, mapStringIn } from './objects.ts';

type MapUri = (uri: string) => string;
type Change = (value: JsonObject, map: MapUri) => JsonObject;

/** `map` gets URIs and URI templates. Unknown methods: unchanged. */
export function mapResultUris(method: string, result: JsonObject, map: MapUri): JsonObject {
  const mapped = resultPlaces.get(method)?.(result, map) ?? result;
  return mapInputRequests(mapped, map);
}

/** Of requests and of notifications. */
export function mapParamsUris(method: string, params: JsonObject, map: MapUri): JsonObject {
  return paramsPlaces.get(method)?.(params, map) ?? params;
}

/** A resource that is not found is named in `error.data.uri`. */
export function mapErrorUris(error: RpcError, map: MapUri): RpcError {
  const known: readonly number[] = [rpcCodes.invalidParams, rpcCodes.resourceNotFound];
  if (!known.includes(error.code) || !isJsonObject(error.data)) return error;
  return new RpcError(error.code, error.message, uriOf(error.data, map));
}

const uriOf: Change = (value, map) => mapStringIn(value, 'uri', map);

const itemOf: Change = (item, map) => mapUiMeta(uriOf(item, map), map);

const toolOf: Change = (tool, map) => mapUiMeta(tool, map);

/** MCP Apps: `_meta.ui.resourceUri`, and its older flat form. */
function mapUiMeta(value: JsonObject, map: MapUri): JsonObject {
  if (!objectIn(value, '_meta')) return value;
  return mapObjectIn(value, '_meta', (meta) =>
    mapObjectIn(mapStringIn(meta, 'ui/resourceUri', map), 'ui', (ui) => mapStringIn(ui, 'resourceUri', map)),
  );
}

/** One content block: text, image, audio, resource_link, resource. */
const blockOf: Change = (block, map) => {
  if (block.type === 'resource_link') return itemOf(block, map);
  return block.type === 'resource' ? mapObjectIn(block, 'resource', (resource) => itemOf(resource, map)) : block;
};

/** In sampling a block can hold the result of a tool, which holds blocks, but no further results. */
const messageBlockOf: Change = (block, map) =>
  block.type === 'tool_result' ? mapListIn(block, 'content', (inner) => blockOf(inner, map)) : blockOf(block, map);

const contentOf: Change = (message, map) =>
  Array.isArray(message.content)
    ? mapListIn(message, 'content', (block) => messageBlockOf(block, map))
    : mapObjectIn(message, 'content', (block) => messageBlockOf(block, map));

const callResult: Change = (result, map) =>
  mapUiMeta(
    mapListIn(result, 'content', (block) => blockOf(block, map)),
    map,
  );

/** A task carries the result of the call that it stands for. */
const taskOf: Change = (task, map) => mapObjectIn(task, 'result', (result) => callResult(result, map));

const skillOf: Change = (skill, map) => mapListIn(itemOf(skill, map), 'resources', (resource) => uriOf(resource, map));

const resultPlaces: ReadonlyMap<string, Change> = new Map<string, Change>([
  ['tools/list', (result, map) => mapListIn(result, 'tools', (tool) => toolOf(tool, map))],
  ['tools/call', callResult],
  ['prompts/get', (result, map) => mapListIn(result, 'messages', (message) => contentOf(message, map))],
  ['resources/list', (result, map) => mapListIn(result, 'resources', (item) => itemOf(item, map))],
  [
    'resources/templates/list',
    (result, map) =>
      mapListIn(result, 'resourceTemplates', (item) => mapUiMeta(mapStringIn(item, 'uriTemplate', map), map)),
  ],
  ['resources/read', (result, map) => mapListIn(result, 'contents', (item) => itemOf(item, map))],
  ['resources/directory/read', (result, map) => mapListIn(result, 'resources', (item) => itemOf(item, map))],
  ['tasks/get', taskOf],
  ['tasks/result', callResult],
  ['skills/list', (result, map) => mapListIn(result, 'skills', (skill) => skillOf(skill, map))],
  ['skills/get', (result, map) => mapObjectIn(result, 'skill', (skill) => skillOf(skill, map))],
]);

const filterOf: Change = (params, map) =>
  mapObjectIn(params, 'notifications', (filter) => {
    const uris = listIn(filter, 'resourceSubscriptions');
    return uris ? { ...filter, resourceSubscriptions: uris.map((uri) => mapText(uri, map)) } : filter;
  });

function mapText(value: Json, map: MapUri): Json {
  return typeof value === 'string' ? map(value) : value;
}

const paramsPlaces: ReadonlyMap<string, Change> = new Map<string, Change>([
  ['resources/read', uriOf],
  ['resources/subscribe', uriOf],
  ['resources/unsubscribe', uriOf],
  ['resources/directory/read', uriOf],
  ['skills/get', uriOf],
  [
    'completion/complete',
    (params, map) => mapObjectIn(params, 'ref', (ref) => (ref.type === 'ref/resource' ? uriOf(ref, map) : ref)),
  ],
  ['subscriptions/listen', filterOf],
  ['notifications/subscriptions/acknowledged', filterOf],
  ['notifications/resources/updated', uriOf],
  ['notifications/tasks', (params, map) => mapInputRequests(taskOf(params, map), map)],
  ['sampling/createMessage', samplingOf],
]);

function samplingOf(params: JsonObject, map: MapUri): JsonObject {
  return mapListIn(params, 'messages', (message) => contentOf(message, map));
}

function mapInputRequests(result: JsonObject, map: MapUri): JsonObject {
  const requests = objectIn(result, 'inputRequests');
  if (!requests) return result;
  const mapped = Object.entries(requests).map(([key, request]): [string, Json] => [
    key,
    isJsonObject(request) && request.method === 'sampling/createMessage'
      ? mapObjectIn(request, 'params', (params) => samplingOf(params, map))
      : request,
  ]);
  return { ...result, inputRequests: Object.fromEntries(mapped) };
}
