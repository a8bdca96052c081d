/** An HTTP answer as the result of a tool. */
import { STATUS_CODES } from 'node:http';
import { isJsonObject, type Json, type JsonObject, parseJson } from '#core/json.ts';
import type { Secret } from '#core/secret.ts';
import { isNestedWithin } from '#mcp/shape/canonical-json.ts';
import { withoutCredential } from './credential.ts';
import { findNextPage } from './next-page.ts';
import type { Operation } from './plan.ts';
import type { RestAnswer } from './rest-client.ts';

const NEXT_KEY = 'io.gatehouse/next';
const STATUS_KEY = 'io.gatehouse/httpStatus';
const RETRY_KEY = 'io.gatehouse/retryAfter';

/** Of a refusal's body. */
const MAX_ERROR_TEXT = 8 * 1024;
const MAX_DEPTH = 128;

/** `why`: what the gateway knows of a failure. */
export function resultOf(answer: RestAnswer, { operation, credential, why }: Reading): JsonObject {
  const { status } = answer;
  if (status >= 200 && status < 300) return success(answer, operation);
  return failure(answer, { operation, credential, why });
}

interface Reading {
  readonly operation: Operation;
  readonly credential: Secret | undefined;
  readonly why?: string | undefined;
}

/** In-band: the model reads it and may do better. */
export function problemResult(text: string): JsonObject {
  return { content: [{ type: 'text', text }], isError: true };
}

function success(answer: RestAnswer, operation: Operation): JsonObject {
  const { status, body, isCut } = answer;
  const declares = operation.declaresOutput;
  const meta = { [STATUS_KEY]: status };
  if (body.length === 0 || operation.method === 'HEAD') {
    const says = operation.method === 'HEAD' ? headText(answer) : `HTTP ${status}: no content`;
    return { content: [{ type: 'text', text: says }], ...(declares ? { structuredContent: {} } : {}), _meta: meta };
  }
  const type = (answer.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  const json = isJson(type) && !isCut ? jsonOf(body) : undefined;
  if (json !== undefined) return jsonResult(json, { answer, operation, meta });
  if (declares) {
    const why = isCut ? `is larger than ${body.length} bytes` : 'is not the JSON that its document promises';
    return problemResult(`The answer ${why}. ${shortText(body)}`);
  }
  if (isText(type, body)) {
    const note = isCut ? `\n\n[cut off after ${body.length} bytes: ask for less at once]` : '';
    return { content: [{ type: 'text', text: body.toString('utf8').toWellFormed() + note }], _meta: meta };
  }
  if (isCut) return problemResult(`The answer (${shortType(type)}) is larger than ${body.length} bytes`);
  return { content: [binary(type, body, operation)], _meta: meta };
}

interface Shaping {
  readonly answer: RestAnswer;
  readonly operation: Operation;
  readonly meta: JsonObject;
}

function jsonResult(json: Json, { answer, operation, meta }: Shaping): JsonObject {
  const next = findNextPage(answer, operation, json);
  const text = answer.body.toString('utf8');
  const content = [{ type: 'text', text }, ...(next ? [{ type: 'text', text: next.sentence }] : [])];
  const structuredContent = isJsonObject(json) ? json : Array.isArray(json) ? { items: json } : { value: json };
  return { content, structuredContent, _meta: next ? { ...meta, [NEXT_KEY]: next.hint } : meta };
}

function failure(answer: RestAnswer, { operation: { method }, credential, why }: Reading): JsonObject {
  const { status, headers, body } = answer;
  const type = headers.get('content-type') ?? '';
  const lines = [`HTTP ${status} ${STATUS_CODES[status] ?? ''}`.trim(), ...(why === undefined ? [] : [why])];
  if (status >= 300 && status < 400) lines.push('The API redirects elsewhere: it is not followed.');
  const retryAfter = status === 429 || status === 503 ? headers.get('retry-after') : undefined;
  const isTold = retryAfter !== undefined && /^[\w ,:-]{1,64}$/.test(retryAfter);
  if (isTold) lines.push(`Try again after ${retryAfter}${/^\d+$/.test(retryAfter) ? ' seconds' : ''}.`);
  if (method !== 'HEAD' && isText(type.toLowerCase(), body)) lines.push(shortText(body));
  const text = lines.join('\n').trim();
  const meta = { [STATUS_KEY]: status, ...(isTold ? { [RETRY_KEY]: retryAfter } : {}) };
  return { ...problemResult(credential ? withoutCredential(text, credential) : text), _meta: meta };
}

const isJson = (type: string): boolean => /^(application|text)\/([\w.+-]+\+)?json$/.test(type);

const isText = (type: string, body: Buffer): boolean =>
  /^(text\/|application\/([\w.+-]+\+)?(json|xml|yaml|javascript|x-ndjson)\b)/.test(type) ||
  (type === '' && body.length > 0 && !body.subarray(0, 1024).includes(0));

/** Undefined: it isn't any, or nobody should walk it. */
function jsonOf(body: Buffer): Json | undefined {
  try {
    const value = parseJson(body.toString('utf8'));
    return isNestedWithin(value, MAX_DEPTH) ? value : undefined;
  } catch {
    return undefined;
  }
}

function binary(type: string, body: Buffer, { path }: Operation): JsonObject {
  const data = body.toString('base64');
  const mimeType = shortType(type);
  if (/^image\/(png|jpeg|gif|webp)$/.test(type)) return { type: 'image', data, mimeType };
  if (/^audio\/[\w.+-]+$/.test(type)) return { type: 'audio', data, mimeType };
  const uri = `api:${encodeURI(path.toWellFormed())}`;
  return { type: 'resource', resource: { uri, mimeType, blob: data } };
}

const shortType = (type: string): string =>
  /^[\w.+-]{1,64}\/[\w.+-]{1,100}$/.test(type) ? type : 'application/octet-stream';

function shortText(body: Buffer): string {
  const text = body.subarray(0, MAX_ERROR_TEXT).toString('utf8').toWellFormed();
  return body.length > MAX_ERROR_TEXT ? `${text}…` : text;
}

/** A HEAD answers in its fields alone. */
function headText({ status, headers }: RestAnswer): string {
  const told = ['content-type', 'content-length', 'last-modified', 'etag'].flatMap((name) => {
    const value = headers.get(name);
    return value === undefined ? [] : [`${name}: ${value.slice(0, 200)}`];
  });
  return [`HTTP ${status}: no content`, ...told].join('\n');
}
