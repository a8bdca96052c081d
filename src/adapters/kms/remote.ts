/** What adapters share that ask a service: attempts, time limits, and tokens that are renewed before they end. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '#core/clock.ts';
import type { KeyContext, KmsDeps } from './kms.ts';

const ATTEMPT_MS = 3000;
const ATTEMPTS = 3;

export interface RemoteRequest {
  /** For messages. */
  readonly what: string;
  readonly method?: 'GET' | 'POST' | 'PUT';
  readonly url: string;
  /** Asked for anew at each attempt: signatures and tokens have their time. */
  readonly headers: () => Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The service answered, and says no: asking again changes nothing. */
export class KmsRefused extends Error {
  readonly status: number;
  constructor(what: string, status: number, reason: string) {
    super(`${what}: refused with ${status}${reason === '' ? '' : ` ${reason}`}`);
    this.status = status;
  }
}

/** The answer's text. Throws KmsRefused, or an Error after the last of several attempts failed. */
export async function ask(request: RemoteRequest, deps: KmsDeps): Promise<string> {
  const { fetch = globalThis.fetch, pauseMs = (attempt) => 50 * 2 ** attempt * (0.5 + Math.random()) } = deps;
  let last: unknown;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) await sleep(pauseMs(attempt));
    try {
      const response = await fetch(request.url, {
        method: request.method ?? 'POST',
        headers: { ...(await request.headers()) },
        body: request.body ?? null,
        redirect: 'error',
        signal: AbortSignal.timeout(ATTEMPT_MS),
      });
      const text = await response.text();
      if (response.ok) return text;
      const refused = new KmsRefused(request.what, response.status, reasonIn(text));
      if (response.status !== 429 && response.status < 500 && !isThrottled(text)) throw refused;
      last = refused;
    } catch (thrown) {
      if (thrown instanceof KmsRefused) throw thrown;
      last = thrown;
    }
  }
  throw new Error(`${request.what}: no answer`, { cause: last });
}

/** AWS says so with status 400. */
const isThrottled = (text: string): boolean => /"__type"\s*:\s*"[^"]*(Throttling|LimitExceeded|KMSInternal)/.test(text);

/** A word by which the service names the reason; never its prose, which may quote what was sent. */
function reasonIn(text: string): string {
  return /"(?:__type|code|status|error)"\s*:\s*"([\w.#-]{1,80})"/.exec(text)?.[1] ?? '';
}

export interface Token {
  readonly value: string;
  readonly lifeSeconds: number;
}

/** Renewed when four fifths of its life are over; one at a time. */
export function openTokens(clock: Clock, get: () => Promise<Token>): () => Promise<string> {
  let known: { readonly value: string; readonly until: number } | undefined;
  let flight: Promise<string> | undefined;
  const renew = async () => {
    const { value, lifeSeconds } = await get();
    known = { value, until: clock.monotonic() + lifeSeconds * 800 };
    return value;
  };
  return () => {
    if (known && clock.monotonic() < known.until) return Promise.resolve(known.value);
    flight ??= renew().finally(() => {
      flight = undefined;
    });
    return flight;
  };
}

/** Canonical JSON: no two contexts share their bytes. */
export const contextBytes = ({ org, dekId }: KeyContext): Buffer =>
  Buffer.from(JSON.stringify({ dekId, orgId: org, v: 1 }));

export async function readText({ readFile }: KmsDeps, path: string): Promise<string> {
  const text = readFile ? await readFile(path) : await (await import('node:fs/promises')).readFile(path, 'utf8');
  return text.trim();
}

export const form = (fields: Readonly<Record<string, string>>): string => new URLSearchParams(fields).toString();
export const formHeaders = { 'content-type': 'application/x-www-form-urlencoded' };
