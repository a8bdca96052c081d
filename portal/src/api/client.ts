/**
 * The admin API by the names of its routes, typed by the contract. The browser's session is a cookie; what changes
 * something carries the session's CSRF token too.
 */
import type { Contract, RouteInput, RouteName, RouteOutput } from '#admin/contract.ts';
import { routes } from './routes.ts';

export type { RouteInput, RouteName, RouteOutput };

/** A refusal of the API: problem+json (RFC 9457). */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
  }
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Of the item as it was read: another one by now is not overwritten. */
  readonly etag?: string | undefined;
}

export const apiBase = '/admin/api/v1';

let csrf = '';
export const setCsrf = (token: string): void => {
  csrf = token;
};

/** Throws ApiError; leaves for the sign-in where the session ended. */
export async function call<Name extends RouteName>(
  name: Name,
  input: RouteInput<Name>,
  options: CallOptions = {},
): Promise<RouteOutput<Name>> {
  const [method, path] = routes[name];
  const { url, rest } = addressOf(path, input as Record<string, unknown>);
  const hasBody = method !== 'GET' && method !== 'DELETE';
  const query = hasBody ? '' : queryOf(rest);
  return (await send(`${url}${query}`, {
    method,
    ...(options.signal && { signal: options.signal }),
    headers: {
      ...(hasBody && { 'content-type': 'application/json' }),
      ...(options.etag !== undefined && { 'if-match': options.etag }),
    },
    ...(hasBody && { body: JSON.stringify(rest) }),
  })) as RouteOutput<Name>;
}

/** Anything below the API, with the session. Throws ApiError. */
export async function send(url: string, init: RequestInit = {}): Promise<unknown> {
  const response = await fetchApi(url, init);
  return response.status === 204 ? undefined : response.json();
}

/** The answer as it comes, for what is long or goes on. Throws ApiError. */
export async function fetchApi(url: string, init: RequestInit = {}): Promise<Response> {
  const first = await ask(url, init);
  if (first.ok) return first;
  const problem = await problemOf(first);
  if (problem.code !== 'csrf_refused') throw refusal(problem);
  // Somebody signed in anew in another tab: the token is another one, the session too.
  const { loadSession } = await import('./session.tsx');
  await loadSession();
  const second = await ask(url, init);
  if (second.ok) return second;
  throw refusal(await problemOf(second));
}

async function ask(url: string, init: RequestInit): Promise<Response> {
  const headers = new Headers(init.headers);
  if (init.method !== undefined && init.method !== 'GET') headers.set('x-csrf-token', csrf);
  return fetch(url, { ...init, headers, credentials: 'same-origin' }).catch(() => {
    throw new ApiError(0, 'unreachable', 'The gateway does not answer: check the connection, then try again');
  });
}

interface Problem {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** Where to sign in again. */
  readonly signIn: string | undefined;
}

async function problemOf(response: Response): Promise<Problem> {
  const { code, detail, signIn } = await response.json().catch(() => ({}));
  return {
    status: response.status,
    code: typeof code === 'string' ? code : 'internal',
    detail: typeof detail === 'string' ? detail : 'The gateway answered with an error',
    signIn: typeof signIn === 'string' && /^\/(?![/\\])/.test(signIn) ? signIn : undefined,
  };
}

function refusal({ status, code, detail, signIn }: Problem): ApiError {
  const next = window.location.pathname + window.location.search;
  if (code === 'reauthenticate' && signIn !== undefined) {
    window.location.assign(`${signIn}&next=${encodeURIComponent(next)}`);
  } else if (status === 401) {
    window.location.assign(signInUrl(next));
  }
  return new ApiError(status, code, detail);
}

export const signInUrl = (next: string): string => `/mcp-admin/sign-in?next=${encodeURIComponent(next)}`;

/** Path parameters go into the path, what is left stays. */
export function addressOf(
  path: string,
  input: Readonly<Record<string, unknown>>,
): { readonly url: string; readonly rest: Record<string, unknown> } {
  const rest = { ...input };
  const url = path.replace(/:([A-Za-z]+)/g, (_, name: string) => {
    const value = rest[name];
    delete rest[name];
    return encodeURIComponent(String(value));
  });
  return { url: apiBase + url, rest };
}

function queryOf(input: Readonly<Record<string, unknown>>): string {
  const given = Object.entries(input).filter(([, value]) => value !== undefined && value !== '');
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return query === '' ? '' : `?${query}`;
}

/** Where a list can be downloaded from with the same filters. */
export function hrefOf<Name extends keyof Contract>(name: Name, input: RouteInput<Name>): string {
  const { url, rest } = addressOf(routes[name][1], input as Record<string, unknown>);
  return url + queryOf(rest);
}
