/**
 * Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document-02, as MCP 2026-07-28 asks for them): the
 * client's id is the https URL of a document that describes it. Fetched by anybody's asking, so through the guarded way
 * out only, small, quickly, never following a redirect, and never more often than the limits say.
 */
import { LRUCache } from 'lru-cache';
import { errors } from 'oidc-provider';
import { z } from 'zod';
import type { Limiter } from '#adapters/limiter/limiter.ts';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import { discard, readJson } from '#http/egress-body.ts';
import { forLibrary, type MetadataRules, parseClientMetadata } from './client-metadata.ts';
import { findKnownDocument } from './known-documents.ts';

export type DocumentProperties = Readonly<Record<string, unknown>> & { readonly client_id: string };

export interface ClientDocuments {
  /** Metadata in the library's words. Throws the library's InvalidClient. */
  find(url: string): Promise<DocumentProperties>;
}

export interface ClientDocumentsDeps {
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  readonly log: Log;
  readonly limiter: Limiter;
  readonly scopes: MetadataRules['scopes'];
  /** Of whoever is asking, as limits count it; undefined outside a request. */
  readonly askedBy: () => string | undefined;
  /** The library's opinion. Throws its InvalidClientMetadata. */
  readonly validate: (properties: DocumentProperties) => Promise<void>;
}

const maxBytes = 5 * 1024;
const totalMs = 3000;
const freshSeconds = { min: 300, max: 86_400 };
const badMs = 60_000;
/** For how long beyond its time a document serves while no other may be fetched. */
const staleMs = 3_600_000;
const perAddress = { points: 60, windowSeconds: 60 };
const together = { points: 600, windowSeconds: 60 };

const rawTrick = /[^!-~]|[\\#]/;
const shape = /^https:\/\/([^/?@]+)(\/[^?]+)(?:\?.*)?$/;
const dotSegment = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i;

/** By the words of the draft (section 3); whether the host may be asked at all the egress decides. */
export function isDocumentUrl(id: string): boolean {
  if (id.length > 2048 || rawTrick.test(id)) return false;
  const [, , path] = shape.exec(id) ?? [];
  return path !== undefined && !dotSegment.test(path) && URL.canParse(id);
}

type Known =
  | { readonly properties: DocumentProperties; readonly until: number }
  | { readonly refused: string; readonly until: number };

export function openClientDocuments(deps: ClientDocumentsDeps): ClientDocuments {
  const { clock } = deps;
  const known = new LRUCache<string, Known>({ max: 2000 });
  /** Apart: strangers' nonsense pushes no good one out. */
  const refusedLately = new LRUCache<string, Known>({ max: 2000 });
  const underWay = new Map<string, Promise<Known>>();

  async function learn(url: string): Promise<Known> {
    const found = await read(url, deps).catch((thrown: unknown) => unread(url, thrown, deps));
    if ('properties' in found) {
      known.set(url, found);
      refusedLately.delete(url);
    } else {
      refusedLately.set(url, found);
      known.delete(url);
    }
    return found;
  }

  /** undefined: the limits are reached. */
  async function ask(url: string): Promise<Known | undefined> {
    if (!underWay.has(url) && !(await takeLimits(deps))) return undefined;
    // Somebody else may have begun meanwhile.
    const asking = underWay.get(url) ?? learn(url).finally(() => underWay.delete(url));
    underWay.set(url, asking);
    return asking;
  }

  return {
    async find(url) {
      let found = known.get(url) ?? refusedLately.get(url);
      if (!found || found.until <= clock.now()) {
        const fresh = await ask(url);
        // A flood of strange documents must not end the sign-ins of known clients.
        const stale = found && 'properties' in found && found.until + staleMs > clock.now() ? found : undefined;
        found = fresh ?? stale;
        if (!found)
          throw new errors.InvalidClient('too many client metadata documents are asked for; try again in a minute');
      }
      if ('refused' in found) throw new errors.InvalidClient(found.refused);
      return found.properties;
    },
  };
}

async function takeLimits({ limiter, askedBy }: ClientDocumentsDeps): Promise<boolean> {
  const address = askedBy();
  const own = address === undefined || (await limiter.take(`client-documents ${address}`, perAddress)).allowed;
  return own && (await limiter.take('client-documents', together)).allowed;
}

/** What is wrong with a document its author may read; why it can't be had says something of the network, so nobody does. */
class BadDocument extends Error {}

/** Refused, unless nobody answered at all and we know by heart what stands there. */
function unread(url: string, thrown: unknown, { clock, log, scopes }: ClientDocumentsDeps): Known {
  const isBad = thrown instanceof BadDocument || thrown instanceof errors.OIDCProviderError;
  const byHeart = isBad ? undefined : findKnownDocument(url);
  if (byHeart) {
    log.info({ url, err: thrown }, 'client metadata document cannot be fetched: the one known here is used');
    return { properties: parseDocument(url, byHeart, scopes), until: clock.now() + badMs };
  }
  const said = isBad ? describe(thrown) : 'cannot be fetched';
  log.info({ url, err: thrown }, 'client metadata document refused');
  return { refused: `client metadata document: ${said}`, until: clock.now() + badMs };
}

const describe = (error: Error) => ('error_description' in error ? String(error.error_description) : error.message);

async function read(url: string, deps: ClientDocumentsDeps): Promise<Known> {
  const response = await deps.fetch(url, {
    redirect: 'manual',
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(totalMs),
  });
  const type = response.headers.get('content-type') ?? '';
  if (response.status !== 200 || !/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(type)) {
    await discard(response);
    throw new BadDocument(response.status === 200 ? 'is not JSON by its content type' : 'does not answer 200');
  }
  const properties = parseDocument(url, await readJson(response, maxBytes), deps.scopes);
  await deps.validate(properties);
  return { properties, until: deps.clock.now() + freshFor(response.headers, deps.clock.now()) * 1000 };
}

const document = z.looseObject({
  client_id: z.string(),
  client_name: z.string().trim().min(1),
  redirect_uris: z.array(z.string()).min(1),
});
const links = ['client_uri', 'logo_uri', 'tos_uri', 'policy_uri', 'jwks_uri'];

function parseDocument(url: string, body: unknown, scopes: MetadataRules['scopes']): DocumentProperties {
  const parsed = document.safeParse(body);
  if (!parsed.success) throw new BadDocument('needs client_id, client_name and redirect_uris');
  const { data } = parsed;
  if (data.client_id !== url) throw new BadDocument('client_id is not the URL it lies at');
  if ('client_secret' in data || 'client_secret_expires_at' in data) throw new BadDocument('must not hold a secret');
  const insecure = links.find((name) => data[name] !== undefined && !String(data[name]).startsWith('https://'));
  if (insecure !== undefined) throw new BadDocument(`${insecure} must be an https URL`);
  const metadata = parseClientMetadata(data, { scopes, defaultAuthMethod: 'none' });
  if (!['none', 'private_key_jwt'].includes(metadata.token_endpoint_auth_method))
    throw new BadDocument('token_endpoint_auth_method must be none or private_key_jwt');
  return { ...forLibrary(metadata), client_id: url };
}

/** Seconds, by RFC 9111 5.2.2 and 5.3, inside our bounds: a page that changes is seen within a day, and asked for at most every five minutes. */
function freshFor(headers: Headers, nowMs: number): number {
  const maxAge = /(?:^|,)\s*max-age\s*=\s*"?(\d{1,10})/i.exec(headers.get('cache-control') ?? '')?.[1];
  const expires = Date.parse(headers.get('expires') ?? '');
  const asked = maxAge !== undefined ? Number(maxAge) : Number.isNaN(expires) ? 0 : (expires - nowMs) / 1000;
  return Math.min(Math.max(asked, freshSeconds.min), freshSeconds.max);
}
