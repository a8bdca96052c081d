/** Asking a foreign authorization server for tokens, and what its answers mean. */
import {
  AuthorizationResponseError,
  type Configuration,
  ResponseBodyError,
  refreshTokenGrant,
  type TokenEndpointResponse,
  WWWAuthenticateChallengeError,
} from 'openid-client';
import { z } from 'zod';
import { asGatehouseError } from '#core/error.ts';
import type { Secret } from '#core/secret.ts';
import type { IssuedTokens } from '#records/connected-accounts.ts';

/** What is sealed in a row. */
const kept = z.object({ access: z.string(), refresh: z.string().optional(), resource: z.string().optional() });
export type KeptTokens = z.output<typeof kept>;

export const readKept = (secret: Secret): KeptTokens => kept.parse(JSON.parse(secret.reveal()));
export const writeKept = (tokens: KeptTokens): string => JSON.stringify(tokens);

const MAX_TOKEN_CHARACTERS = 16_384;

export interface Obtained extends Omit<IssuedTokens, 'sealed'> {
  readonly tokens: KeptTokens;
}

interface Before {
  readonly scopes: readonly string[];
  readonly refresh?: string | undefined;
  readonly resource: string | undefined;
}

/** Throws for a token of another kind than bearer. `before`: what holds where the answer doesn't say. */
export function obtainedFrom(answer: TokenEndpointResponse, before: Before, nowMs: number): Obtained {
  const { access_token: access, token_type: type, expires_in: seconds, scope } = answer;
  if (type.toLowerCase() !== 'bearer') throw new Error(`a token of type ${type.slice(0, 64)}`);
  const refresh = answer.refresh_token ?? before.refresh;
  if (access.length > MAX_TOKEN_CHARACTERS || !/^[\x21-\x7e]+$/.test(access)) throw new Error('a token that is none');
  return {
    tokens: { access, refresh, resource: before.resource },
    // GitHub separates them by commas.
    scopes: typeof scope === 'string' ? scope.split(/[ ,]+/).filter(Boolean) : before.scopes,
    expiresAt: seconds === undefined ? undefined : nowMs + seconds * 1000,
    issuedAt: nowMs,
    refreshable: refresh !== undefined,
  };
}

export async function refresh(
  configuration: Configuration,
  { tokens, scopes }: { readonly tokens: KeptTokens; readonly scopes: readonly string[] },
  now: () => number,
): Promise<Obtained> {
  const { refresh: token = '', resource } = tokens;
  const answer = await refreshTokenGrant(configuration, token, resource === undefined ? {} : { resource });
  return obtainedFrom(answer, { scopes, refresh: token, resource }, now());
}

/** Whether asking again may help: not where the authorization server itself said no. */
export function isFinal(thrown: unknown): boolean {
  if (thrown instanceof ResponseBodyError)
    return thrown.status < 500 && thrown.status !== 429 && !passing.has(thrown.error);
  return thrown instanceof WWWAuthenticateChallengeError && thrown.status === 401;
}

const passing: ReadonlySet<string> = new Set(['temporarily_unavailable', 'server_error', 'slow_down', 'rate_limited']);

/** Its error code, for health and log: codes only, no stranger's sentences. */
export function reasonOf(thrown: unknown): string {
  const code =
    thrown instanceof ResponseBodyError || thrown instanceof AuthorizationResponseError ? thrown.error : undefined;
  if (code !== undefined && /^[a-z_]{1,64}$/.test(code)) return code;
  return thrown instanceof WWWAuthenticateChallengeError ? 'invalid_client' : 'no_usable_answer';
}

/** What the library throws may hold the answer that it is about, tokens and all: its words alone. */
export function safely(thrown: unknown): string {
  const { code, cause } = asGatehouseError(thrown);
  const text = cause instanceof Error ? cause.message : thrown instanceof Error ? thrown.message : '';
  return `${code} ${text}`.slice(0, 300);
}
