/**
 * One HTTP request from a tool's arguments. Host, path prefix and names of header fields are the document's and the
 * operator's; a caller's values are encoded wherever they go (SECURITY S8).
 */
import { type JsonObject, ownIn } from '#core/json.ts';
import type { Secret } from '#core/secret.ts';
import { buildBody } from './body.ts';
import { addCredential } from './credential.ts';
import type { Operation, Parameter } from './plan.ts';
import { ArgumentProblem } from './problem.ts';
import { encodeReserved, encodeText, headerText, pathText, plainText, queryPairs } from './styles.ts';

export interface RestRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer | undefined;
}

export interface Building {
  readonly operation: Operation;
  readonly args: JsonObject;
  /** Path of the server, without a slash at its end. */
  readonly basePath: string;
  /** What the gateway sends of itself. */
  readonly headers: Readonly<Record<string, string>>;
  readonly credential: Secret | undefined;
  /** Where the binding says that it goes. */
  readonly bindingHeader: readonly [name: string, value: string] | undefined;
}

/** Longer ones are refused by most servers. */
const MAX_PATH = 16 * 1024;

/** Throws ArgumentProblem and CredentialProblem. */
export function buildRequest(building: Building): RestRequest {
  const { operation, args, basePath } = building;
  const query: string[] = [];
  const cookies: string[] = [];
  const headers: Record<string, string> = { ...building.headers, accept: operation.accept };
  for (const parameter of operation.parameters) {
    const value = ownIn(args, parameter.argument);
    if (value === undefined || (value === null && !parameter.required)) continue;
    try {
      const plain = parameter.json ? JSON.stringify(value) : value;
      if (parameter.in === 'query') {
        query.push(...queryPairs(parameter, plain, parameter.allowReserved ? encodeReserved : encodeText));
      } else if (parameter.in === 'header') headers[parameter.name.toLowerCase()] = headerText(parameter, plain);
      else if (parameter.in === 'cookie') cookies.push(`${parameter.name}=${encodeText(plainText(plain))}`);
    } catch (thrown) {
      throw named(thrown, parameter.argument);
    }
  }
  const { body } = operation;
  const built = body && buildBody(body, args, new Set(operation.parameters.map(({ argument }) => argument)));
  if (built) headers['content-type'] = built.contentType;
  const { credential, bindingHeader } = building;
  addCredential({ auth: operation.auth, credential, bindingHeader }, { headers, query, cookies });
  if (cookies.length > 0) headers.cookie = cookies.join('; ');
  const path = basePath + operationPath(operation, args) + (query.length > 0 ? `?${query.join('&')}` : '');
  if (path.length > MAX_PATH) throw new ArgumentProblem('The arguments are too long for an address');
  const bytes = built?.bytes ?? (sendsBody(operation.method) ? Buffer.alloc(0) : undefined);
  return { method: operation.method, path, headers, body: bytes };
}

const sendsBody = (method: string): boolean => method === 'POST' || method === 'PUT' || method === 'PATCH';

function named(thrown: unknown, argument: string): unknown {
  return thrown instanceof ArgumentProblem ? new ArgumentProblem(`${argument}: ${thrown.message}`) : thrown;
}

function operationPath(operation: Operation, args: JsonObject): string {
  const inPath = new Map(operation.parameters.filter((one) => one.in === 'path').map((one) => [one.name, one]));
  const path = operation.pieces
    .map((piece) => ('text' in piece ? piece.text : pathValue(inPath.get(piece.parameter), args)))
    .join('');
  // Dots are no characters that encoding changes: a segment of them would be a step up (RFC 3986 5.2.4).
  if (path.split('/').some((segment) => segment === '.' || segment === '..')) {
    throw new ArgumentProblem('The arguments would lead to another path');
  }
  return path;
}

function pathValue(parameter: Parameter | undefined, args: JsonObject): string {
  if (!parameter) throw new ArgumentProblem('The path cannot be built');
  const { argument } = parameter;
  const value = ownIn(args, argument);
  if (value === undefined || value === null || value === '') throw new ArgumentProblem(`missing: ${argument}`);
  const given = parameter.json ? JSON.stringify(value) : value;
  try {
    const slashed = parameter.segments && typeof given === 'string' && parameter.style === 'simple';
    const text = slashed ? given.split('/').map(encodeText).join('/') : pathText(parameter, given);
    const isEmpty = text === '' || (slashed && text.split('/').includes(''));
    if (isEmpty) throw new ArgumentProblem('must not be empty');
    if (/^\.{1,2}$/.test(text)) throw new ArgumentProblem('must not be a step in the path');
    return text;
  } catch (thrown) {
    throw named(thrown, argument);
  }
}
