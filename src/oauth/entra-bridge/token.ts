import { decodeJwt } from 'jose';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { BridgedServer } from '#adapters/identity/identity.ts';
import type { Limiter } from '#adapters/limiter/limiter.ts';
import type { Clock } from '#core/clock.ts';
import { openConcurrency } from '#core/concurrency.ts';
import { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import { readJson } from '#http/egress-body.ts';
import { findRepeated, type OauthAnswer, refusal } from './answer.ts';
import { pinnedScope } from './authorize.ts';

const timeoutMs = 10_000;
const maxAnswerBytes = 256 * 1024;
/** Token requests on their way at one moment, of one address and in all; more is a flood or an Entra that hangs. */
const maxInFlight = { ofOne: 40, inAll: 200 } as const;
/** What Entra refuses counts against it there: with enough of that it stops serving us all (AADSTS90055, 429). */
const refusedPerAddress = { points: 60, windowSeconds: 60 } as const;
const maxShutOut = 10_000;

export interface TokenRequest {
  /** Whoever asks, as limits count them. */
  readonly address: string;
  readonly body: string;
  readonly type: string | undefined;
  readonly authorization: string | undefined;
}

const errorSchema = z.looseObject({ error: z.string(), error_description: z.string().optional() });
const tokensSchema = z.looseObject({ id_token: z.string().min(1).optional() });

/** Passes on codes and refresh tokens. Answers are OAuth's; no token, code or secret is logged. */
export function openTokenExchange(deps: {
  readonly server: BridgedServer;
  readonly clock: Clock;
  readonly log: Log;
  readonly limiter: Limiter;
}): (request: TokenRequest) => Promise<OauthAnswer> {
  const { server, clock, log, limiter } = deps;
  const inFlight = openConcurrency();
  /** Address → monotonic milliseconds until which it is not heard. */
  const shutOut = new LRUCache<string, number>({ max: maxShutOut });

  async function countRefused(address: string): Promise<void> {
    const { allowed, resetMs } = await limiter.take(`bridge ${address}`, refusedPerAddress);
    if (!allowed) shutOut.set(address, clock.monotonic() + resetMs);
  }

  return async (request) => {
    const form = prepare(request, server);
    if ('status' in form) return form;
    const waitMs = (shutOut.get(request.address) ?? 0) - clock.monotonic();
    if (waitMs > 0) return later(429, 'Too many failed sign-ins', waitMs);
    const leave = inFlight.acquire('all', maxInFlight.inAll);
    const leaveOne = leave && inFlight.acquire(`of ${request.address}`, maxInFlight.ofOne);
    if (!leaveOne) {
      leave?.();
      return later(503, 'Too many sign-ins at once', 1000);
    }
    try {
      const answer = await passOn(form, request.authorization);
      if (answer.status >= 400 && answer.status < 500) await countRefused(request.address);
      return answer;
    } catch (error) {
      const late = error instanceof GatehouseError && error.code === 'upstream_timeout';
      log.error({ err: error }, 'Entra gave no usable answer to a token request');
      return refusal(late ? 504 : 502, 'temporarily_unavailable', 'Entra cannot be reached: try again');
    } finally {
      leaveOne();
      leave();
    }
  };

  async function passOn(form: URLSearchParams, authorization: string | undefined): Promise<OauthAnswer> {
    const answer = await server.fetch(server.tokenEndpoint, {
      method: 'POST',
      body: form.toString(),
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
        ...(authorization !== undefined && { authorization }),
      },
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const body = await readJson(answer, maxAnswerBytes);
    if (answer.status === 200) return exchanged(body, clock, log);
    const parsed = errorSchema.safeParse(body);
    if (!parsed.success || answer.status < 400) throw new Error(`Entra answered ${answer.status}`);
    const [number] = /AADSTS\d+/.exec(parsed.data.error_description ?? '') ?? [];
    log.warn({ status: answer.status, error: parsed.data.error, number }, 'Entra refused a token request');
    const retryAfter = answer.headers.get('retry-after');
    return { status: answer.status, body: parsed.data, ...(retryAfter && { headers: { 'retry-after': retryAfter } }) };
  }
}

function later(status: number, why: string, waitMs: number): OauthAnswer {
  const headers = { 'retry-after': String(Math.ceil(waitMs / 1000)) };
  return { ...refusal(status, 'temporarily_unavailable', why), headers };
}

/** The form as it goes to Entra, or why it doesn't. */
function prepare(
  { body, type, authorization }: TokenRequest,
  { clientId }: BridgedServer,
): URLSearchParams | OauthAnswer {
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(type ?? '')) {
    return refusal(400, 'invalid_request', 'The request must be a form (application/x-www-form-urlencoded)');
  }
  const form = new URLSearchParams(body);
  if (findRepeated(form, ['resource']) !== undefined) {
    return refusal(400, 'invalid_request', 'A parameter is there more than once');
  }
  const grant = form.get('grant_type');
  if (grant !== 'authorization_code' && grant !== 'refresh_token') {
    return refusal(400, 'unsupported_grant_type', 'grant_type must be authorization_code or refresh_token');
  }
  if (authorization !== undefined && !/^basic /i.test(authorization)) {
    return refusal(401, 'invalid_client', 'Clients authenticate in the form or with Basic');
  }
  if ((form.get('client_id') ?? basicUser(authorization)) !== clientId) {
    return refusal(401, 'invalid_client', 'Unknown client: register at /register to learn the client id');
  }
  form.delete('resource');
  // Without it a refresh may fall back to Graph's scopes, and then there is no ID token.
  if (form.has('scope') || grant === 'refresh_token') form.set('scope', pinnedScope);
  return form;
}

/** The user name of HTTP Basic, form-encoded as RFC 6749 2.3.1 has it. */
function basicUser(authorization: string | undefined): string | undefined {
  if (authorization === undefined) return undefined;
  const [user = ''] = Buffer.from(authorization.slice('basic '.length).trim(), 'base64').toString('utf8').split(':');
  return new URLSearchParams(`user=${user}`).get('user') ?? undefined;
}

function exchanged(body: unknown, clock: Clock, log: Log): OauthAnswer {
  const { id_token: idToken, ...rest } = tokensSchema.parse(body);
  if (idToken === undefined) {
    log.error({}, 'Entra sent no id_token: grant the application the delegated permissions openid, profile and email');
    return refusal(
      502,
      'server_error',
      'Entra sent no id_token, so there is nothing to sign in with: ask your administrator',
    );
  }
  // The access token is Graph's: nobody but Graph can verify it, and clients must not have it.
  return {
    status: 200,
    body: {
      ...rest,
      token_type: 'Bearer',
      access_token: idToken,
      id_token: idToken,
      expires_in: secondsLeft(idToken, clock),
    },
  };
}

/** Entra's own figure is the access token's, which lives longer: clients would refresh too late. */
function secondsLeft(idToken: string, clock: Clock): number {
  const { exp = 0 } = decodeJwt(idToken);
  return Math.max(0, Math.floor(exp - clock.now() / 1000));
}
