/** What a client answers to a server's questions: checked against the question, then put into the server's revision. */
import { isJsonObject, type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { RpcError, rpcCodes } from './errors.ts';
import { isSince, listIn, numberOf, omit, omitMeta } from './objects.ts';
import { toSingleBlock } from './sampling.ts';

/**
 * A client's answer to `request` (`{method, params}`), without what its own revision added. The check is shallow, as
 * the forms are flat. Throws RpcError -32602 where the answer does not fit; `message` names no value.
 */
export function checkAnswer(request: JsonObject, answer: Json | undefined): JsonObject {
  if (!isJsonObject(answer)) throw unfit('must be an object');
  const bare = omitMeta(omit(answer, ['resultType']), ['io.modelcontextprotocol/related-task']);
  if (request.method === 'roots/list') checkRoots(bare);
  else if (request.method === 'sampling/createMessage') checkMessage(bare);
  else return checkElicitation(objectIn(request, 'params') ?? {}, bare);
  return bare;
}

/** An answer as a legacy server of `version` expects it. */
export function fromInputResponse(method: string, answer: JsonObject, version: string): JsonObject {
  const bare = omit(answer, ['resultType']);
  if (method !== 'sampling/createMessage' || isSince(version, '2025-11-25')) return bare;
  return toSingleBlock(bare);
}

function unfit(reason: string): RpcError {
  return new RpcError(rpcCodes.invalidParams, `The answer ${reason}`);
}

function checkRoots(answer: JsonObject): void {
  const roots = listIn(answer, 'roots');
  if (!roots?.every((root) => isJsonObject(root) && typeof root.uri === 'string')) throw unfit('must list roots');
}

function checkMessage(answer: JsonObject): void {
  const hasContent = isJsonObject(answer.content) || Array.isArray(answer.content);
  if (stringIn(answer, 'role') === undefined || stringIn(answer, 'model') === undefined || !hasContent) {
    throw unfit('must have role, model and content');
  }
}

function checkElicitation(params: JsonObject, answer: JsonObject): JsonObject {
  if (answer.action === 'decline' || answer.action === 'cancel') return omit(answer, ['content']);
  if (answer.action !== 'accept') throw unfit('must have the action accept, decline or cancel');
  if (params.mode === 'url') return omit(answer, ['content']);
  const schema = objectIn(params, 'requestedSchema');
  const content = answer.content === undefined || answer.content === null ? {} : answer.content;
  if (!isJsonObject(content)) throw unfit('must have an object as content');
  checkForm(schema ?? {}, content);
  return { ...answer, content };
}

function checkForm(schema: JsonObject, content: JsonObject): void {
  for (const key of listIn(schema, 'required') ?? []) {
    if (typeof key === 'string' && !Object.hasOwn(content, key)) throw unfit(`lacks ${JSON.stringify(key)}`);
  }
  const properties = objectIn(schema, 'properties') ?? {};
  for (const [key, value] of Object.entries(content)) {
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (!isPlain(value) || (isJsonObject(property) && !fits(value, property))) {
      throw unfit(`has a value of the wrong kind at ${JSON.stringify(key)}`);
    }
  }
}

/** Forms are flat: text, numbers, booleans and lists of text. */
function isPlain(value: Json): boolean {
  if (Array.isArray(value)) return value.every((item) => typeof item === 'string');
  return typeof value === 'string' || typeof value === 'boolean' || numberOf(value) !== undefined;
}

function fits(value: Json, property: JsonObject): boolean {
  switch (property.type) {
    case 'string':
      return typeof value === 'string' && isChoice(value, property);
    case 'boolean':
      return typeof value === 'boolean';
    case 'number':
      return numberOf(value) !== undefined;
    case 'integer':
      return Number.isInteger(numberOf(value));
    case 'array':
      return Array.isArray(value) && value.every((item) => isChoice(item, objectIn(property, 'items') ?? {}));
    default:
      return true;
  }
}

function isChoice(value: Json, property: JsonObject): boolean {
  const named = listIn(property, 'oneOf') ?? listIn(property, 'anyOf');
  const choices = listIn(property, 'enum') ?? named?.map((option) => (isJsonObject(option) ? option.const : undefined));
  return choices === undefined || choices.includes(value);
}
