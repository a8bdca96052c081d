/** A vendor's management API, asked with our secret key: bounded in time and size, silent after a 429 for as long as asked. */
import { GatehouseError } from '#core/error.ts';
import type { Secret } from '#core/secret.ts';
import { discard, readJson } from '#http/egress-body.ts';
import type { IdentityDeps } from './identity.ts';

const timeoutMs = 3000;
const maxBytes = 512 * 1024;
const maxPauseSeconds = 60;

export interface VendorApiOptions extends IdentityDeps {
  /** For logs and errors, e.g. `WorkOS`. */
  readonly vendor: string;
  /** Where the key is set, for whoever reads the log. */
  readonly setting: string;
  readonly apiKey: Secret;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface VendorAnswer {
  readonly status: number;
  /** Of a 200; undefined for every other status. */
  readonly body: unknown;
}

export interface VendorApi {
  /**
   * The answer, where it is one of `expected` (besides 200). Throws GatehouseError `identity_unavailable` after a 429,
   * and plain errors (to be taken as an outage) for everything else.
   */
  ask(url: URL, options?: { readonly json?: unknown; readonly expected?: readonly number[] }): Promise<VendorAnswer>;
}

export function openVendorApi({ vendor, setting, apiKey, headers, fetch, clock, log }: VendorApiOptions): VendorApi {
  let pausedUntil = 0;
  return {
    async ask(url, { json, expected = [] } = {}) {
      const waitMs = pausedUntil - clock.monotonic();
      if (waitMs > 0) throw askedTooOften(vendor, Math.ceil(waitMs / 1000));
      const response = await fetch(url, {
        headers: {
          accept: 'application/json',
          ...(json !== undefined && { 'content-type': 'application/json' }),
          ...headers,
          authorization: `Bearer ${apiKey.reveal()}`,
        },
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs),
        ...(json !== undefined && { method: 'POST', body: JSON.stringify(json) }),
      });
      const { status } = response;
      if (status === 200) return { status, body: await readJson(response, maxBytes) };
      await discard(response);
      if (expected.includes(status)) return { status, body: undefined };
      if (status === 401 || status === 403) log.error({ status }, `${vendor} refuses the API key (${setting})`);
      if (status === 429) {
        const seconds = pauseSeconds(response.headers.get('retry-after'));
        pausedUntil = clock.monotonic() + seconds * 1000;
        throw askedTooOften(vendor, seconds);
      }
      throw new Error(`${vendor} answered ${status}`);
    },
  };
}

function pauseSeconds(retryAfter: string | null): number {
  const seconds = Number(retryAfter ?? 1);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 1), maxPauseSeconds) : 1;
}

function askedTooOften(vendor: string, retryAfterSeconds: number): GatehouseError {
  return new GatehouseError('identity_unavailable', {
    retryAfterSeconds,
    cause: new Error(`${vendor} answered 429`),
  });
}
