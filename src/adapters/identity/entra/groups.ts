import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { IdentityDeps } from '#adapters/identity/identity.ts';
import { RemoteDocument } from '#adapters/identity/remote-document.ts';
import { GatehouseError } from '#core/error.ts';
import type { Secret } from '#core/secret.ts';
import { discard, readJson } from '#http/egress-body.ts';
import { loginUrl } from './directories.ts';

const graphUrl = 'https://graph.microsoft.com';
/** Groups in use are renewed at this age, so that callers seldom wait and the answer is never older than a minute. */
const refreshMs = 40_000;
const staleMs = 60_000;
const timeoutMs = 5000;
const maxBytes = 1024 * 1024;
const maxPeople = 20_000;
/** Entra itself lets nobody be in more than 2,048 (Graph's limit for this question is 11,000). */
const maxPages = 20;
const maxGroups = 11_000;
/** An application token is given up this long before it ends. */
const marginMs = 60_000;

const tokenSchema = z.looseObject({ access_token: z.string().min(1), expires_in: z.coerce.number().default(300) });
const pageSchema = z.looseObject({ value: z.array(z.string()), '@odata.nextLink': z.string().optional() });

interface User {
  readonly tid: string;
  readonly oid: string;
}

export interface GroupLookup {
  /** Object ids of all groups, nested ones too; undefined: Graph won't tell. Throws `identity_unavailable`. */
  find(user: User): Promise<readonly string[] | undefined>;
  forget(subject: string): void;
}

export interface GroupLookupOptions extends IdentityDeps {
  readonly clientId: string;
  readonly secret: Secret;
}

/** Groups that have no room in a token, asked at Microsoft Graph by the application itself. */
export function openGroupLookup(options: GroupLookupOptions): GroupLookup {
  const { clock, log } = options;
  const known = new LRUCache<string, RemoteDocument<readonly string[] | undefined>>({ max: maxPeople });
  const tokens = openAppTokens(options);
  const documentFor = (user: User) =>
    new RemoteDocument<readonly string[] | undefined>({
      what: 'groups at Microsoft Graph',
      load: async () => fetchGroups(user, await tokens.find(user.tid), options),
      refreshMs: () => refreshMs,
      staleMs: () => staleMs,
      retryMs: { held: 5000, empty: 1000 },
      clock,
      log,
    });
  return {
    async find(user) {
      const key = `${user.tid}.${user.oid}`;
      let document = known.get(key);
      if (!document) {
        document = documentFor(user);
        known.set(key, document);
      }
      return (await document.get()).value;
    },
    forget: (subject) => void known.delete(subject),
  };
}

/** The address in the token (`_claim_sources`) is never followed: it is of an API that Microsoft has shut down. */
async function fetchGroups(
  { oid }: User,
  token: string,
  options: GroupLookupOptions,
): Promise<readonly string[] | undefined> {
  const first = `${graphUrl}/v1.0/users/${encodeURIComponent(oid)}/getMemberObjects`;
  const groups: string[] = [];
  let url: string | undefined = first;
  for (let page = 0; url !== undefined; page++) {
    if (page >= maxPages || groups.length > maxGroups || !url.startsWith(`${graphUrl}/`)) {
      throw new Error('Microsoft Graph does not come to an end');
    }
    const response: Response = await options.fetch(url, {
      ...(page === 0 && { method: 'POST', body: JSON.stringify({ securityEnabledOnly: true }) }),
      headers: { accept: 'application/json', 'content-type': 'application/json', authorization: `Bearer ${token}` },
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.status !== 200) return refused(response, options);
    const parsed = pageSchema.parse(await readJson(response, maxBytes));
    groups.push(...parsed.value);
    url = parsed['@odata.nextLink'];
  }
  return groups;
}

async function refused(response: Response, { log }: GroupLookupOptions): Promise<undefined> {
  await discard(response);
  const { status } = response;
  if (status === 403) {
    log.error(
      { status },
      'Denied: Microsoft Graph does not tell the groups of users. Grant the application permissions GroupMember.Read.All and User.ReadBasic.All, with admin consent',
    );
    return undefined;
  }
  // The user is gone.
  if (status === 404) return undefined;
  const seconds = Number(response.headers.get('retry-after') ?? 1);
  const retryAfterSeconds = Number.isFinite(seconds) ? Math.min(Math.max(seconds, 1), 60) : 1;
  const cause = new Error(`Microsoft Graph answered ${status}`);
  throw new GatehouseError('identity_unavailable', { cause, ...(status === 429 && { retryAfterSeconds }) });
}

/** Client credentials (RFC 6749 4.4), one token for each directory, kept while it is good. */
function openAppTokens(options: GroupLookupOptions) {
  const { clientId, secret, fetch, clock, log } = options;
  const byTenant = new Map<string, RemoteDocument<z.output<typeof tokenSchema>>>();
  const request = async (tenant: string) => {
    const response = await fetch(`${loginUrl}/${tenant}/oauth2/v2.0/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: clientId,
        client_secret: secret.reveal(),
        scope: `${graphUrl}/.default`,
      }),
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.status === 200) return tokenSchema.parse(await readJson(response, maxBytes));
    await discard(response);
    if (response.status === 401) {
      log.error({ status: 401 }, 'Entra refuses the client secret (ENTRA_CLIENT_SECRET): is it expired?');
    }
    throw new Error(`Entra answered ${response.status} to the application's own sign-in`);
  };
  const lifeMs = ({ expires_in: seconds }: z.output<typeof tokenSchema>) => Math.max(0, seconds * 1000 - marginMs);
  return {
    async find(tenant: string): Promise<string> {
      let document = byTenant.get(tenant);
      if (!document) {
        document = new RemoteDocument({
          what: 'application token of Entra',
          load: () => request(tenant),
          refreshMs: (token) => lifeMs(token) / 2,
          staleMs: lifeMs,
          retryMs: { held: 30_000, empty: 5000 },
          clock,
          log,
        });
        byTenant.set(tenant, document);
      }
      return (await document.get()).value.access_token;
    },
  };
}
