/** One error type inside, one body per surface (DESIGN ruling 1). This is the MCP surface. */
import { type ErrorCode, errorTable, type GatehouseError } from '#core/error.ts';
import { resourceQuery } from '#core/resource.ts';
import type { ClientResponse } from '#http/exchange.ts';
import { isBrowser, signInPage } from './browser-page.ts';
import type { Call } from './call.ts';
import { dpopAlgorithms } from './dpop.ts';
import { targetOf } from './entrance.ts';
import { allScopes, neededScopes } from './scopes.ts';

/** Refusals about who calls and what exists: `{error}`. All else is an answer to a JSON-RPC message. */
const plain: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...([
    'no_token',
    'invalid_token',
    'invalid_dpop_proof',
    'https_required',
    'not_member',
    'role_denied',
    'forbidden',
    'unknown_endpoint',
    'not_found',
  ] as const),
  ...(['rate_limited', 'too_many_calls', 'identity_unavailable', 'storage_unavailable', 'audit_full'] as const),
  ...(['shutting_down', 'invalid_origin', 'invalid_host', 'uri_too_long', 'too_large', 'method_not_allowed'] as const),
]);

export interface RenderOptions {
  /** No trailing slash. */
  readonly baseUrl: string;
  /** False: nobody signs in here with OAuth (API keys only), so no metadata is advertised. */
  readonly oauth: boolean;
  /** Tokens are issued here: challenges name scopes to ask for. Others' authorization servers don't know ours. */
  readonly scopes: boolean;
  readonly allowedMethods: string;
  /** Rates are refused in the words of REQUIREMENTS S3.6. */
  readonly openWebui?: boolean;
}

export function errorBody(error: GatehouseError, call: Call): string {
  const { code, message } = error;
  const { id } = call.message?.kind === 'request' ? call.message : { id: undefined };
  if (call.res.messagesOnly) return rpcErrorBody(error, id, dataOf(error, call));
  if (code === 'no_organization') return JSON.stringify({ error: 'Forbidden', message });
  if (plain.has(code)) return JSON.stringify({ error: message });
  return rpcErrorBody(error, id, dataOf(error, call));
}

/** What was asked for, where nobody is there to answer it. */
function dataOf({ code, data }: GatehouseError, { message }: Call): unknown {
  const method = message?.method;
  if (data !== undefined || method === undefined) return data;
  if (code === 'unknown_method') return noServerFor(method);
  return code === 'upstream_unreachable' ? `No healthy server instances available for: ${method}` : undefined;
}

export const noServerFor = (method: string): string => `No server found for capability: ${method}`;

/** The id goes back byte for byte. */
export function rpcErrorBody(error: GatehouseError, id: Buffer | undefined, data: unknown = error.data): string {
  const body = { code: errorTable[error.code].rpc, message: error.message, ...(data === undefined ? {} : { data }) };
  return `{"jsonrpc":"2.0","id":${id ? id.toString('utf8') : 'null'},"error":${JSON.stringify(body)}}`;
}

/** Writes the whole answer. Must not be called after the head is out. */
export function renderError(
  res: ClientResponse,
  call: Call,
  { error, options: all }: { readonly error: GatehouseError; readonly options: RenderOptions },
): number {
  const options = call.entrance.keysOnly ? { ...all, oauth: false, scopes: false } : all;
  if (error.code === 'https_required' && isBrowser(call) && call.headers?.authorization === undefined) {
    res.writeHead(308, { Location: call.entrance.baseUrl + targetOf(call), 'Cache-Control': 'no-store' });
    res.end();
    return 0;
  }
  const own = call.door?.facade?.refuse(error, call);
  const page = !own && error.code === 'no_token' && isBrowser(call) ? signInPage(call, options) : undefined;
  const isRate = options.openWebui && error.code === 'rate_limited' && !call.res.messagesOnly;
  const body = own?.body ?? page?.html ?? (isRate ? JSON.stringify({ detail: error.message }) : errorBody(error, call));
  const headers: Record<string, string | number> = {
    ...page?.headers,
    'Content-Type': page ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'X-Request-Id': call.id,
  };
  const status = own?.status ?? error.row.http;
  const challenge = status < 400 ? undefined : challengeFor(error, call, options);
  if (challenge !== undefined) headers['WWW-Authenticate'] = challenge;
  if (error.retryAfterSeconds !== undefined) headers['Retry-After'] = error.retryAfterSeconds;
  if (error.code === 'method_not_allowed') headers.Allow = options.allowedMethods;
  res.writeHead(status, { ...headers, ...own?.headers });
  res.end(body);
  return Buffer.byteLength(body);
}

/**
 * RFC 6750 3, RFC 9728 5.1, RFC 9449 7.1. A membership or role refusal names no error code: clients would sign in again in
 * a loop.
 */
function challengeFor({ row }: GatehouseError, call: Call, options: RenderOptions): string | undefined {
  const { challenge } = row;
  if (challenge === undefined) return undefined;
  const dpop = challenge === 'invalid_dpop_proof' || /^dpop\b/i.test(call.headers?.authorization ?? '');
  const parts: string[] = [];
  if (challenge !== 'none') parts.push(`error="${challenge}"`);
  if (dpop) parts.push(`algs="${dpopAlgorithms.join(' ')}"`);
  if (options.scopes && row.http === 401) parts.push(`scope="${allScopes}"`);
  else if (challenge === 'insufficient_scope') parts.push(`scope="${neededScopes(call.message)}"`);
  if (options.oauth) parts.push(`resource_metadata="${metadataUrl(call)}"`);
  return [dpop ? 'DPoP' : 'Bearer', parts.join(', ')].join(' ').trimEnd();
}

/** Below the address that was called, so that a proxy that passes on nothing else leads there too. */
function metadataUrl(call: Call): string {
  const query = resourceQuery(call.req.url ?? '');
  return `${call.entrance.baseUrl}/.well-known/oauth-protected-resource${targetOf(call)}${query}`;
}
