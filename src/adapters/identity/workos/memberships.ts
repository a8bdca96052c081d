import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { IdentityDeps, Membership } from '#adapters/identity/identity.ts';
import { joinPath } from '#adapters/identity/issuer-url.ts';
import { RemoteDocument } from '#adapters/identity/remote-document.ts';
import { GatehouseError } from '#core/error.ts';
import type { Secret } from '#core/secret.ts';
import { discard, readJson } from '#http/egress-body.ts';

/** A membership in use is renewed at this age, so that callers never wait for it and it never passes a minute. */
const refreshMs = 40_000;
const staleMs = 60_000;
/** "No member" is forgotten sooner: somebody may just have been invited. */
const absentMs = 10_000;
const timeoutMs = 3000;
const maxBytes = 256 * 1024;
const maxEntries = 20_000;
const maxPauseSeconds = 60;

const roleSchema = z.looseObject({ slug: z.string() });
const membershipsSchema = z.object({
  data: z.array(
    z.looseObject({
      user_id: z.string(),
      organization_id: z.string(),
      status: z.string(),
      role: roleSchema.nullish(),
      roles: z.array(roleSchema).nullish(),
    }),
  ),
});

export interface WorkosMemberships {
  find(subject: string, organization: string): Promise<Membership | undefined>;
  forget(subject: string): void;
}

export interface WorkosMembershipsOptions extends IdentityDeps {
  readonly apiBaseUrl: string;
  readonly apiKey: Secret;
}

export function openWorkosMemberships(options: WorkosMembershipsOptions): WorkosMemberships {
  const { clock, log } = options;
  const known = new LRUCache<string, RemoteDocument<Membership | undefined>>({ max: maxEntries });
  const ask = openQuestion(options);

  const documentFor = (subject: string, organization: string) =>
    new RemoteDocument<Membership | undefined>({
      what: 'WorkOS organization memberships',
      load: () => ask(subject, organization),
      refreshMs: (membership) => (membership ? refreshMs : absentMs),
      staleMs: (membership) => (membership ? staleMs : absentMs),
      retryMs: { held: 5000, empty: 1000 },
      clock,
      log,
    });

  return {
    async find(subject, organization) {
      const key = `${subjectPrefix(subject)}${organization}`;
      let document = known.get(key);
      if (!document) {
        document = documentFor(subject, organization);
        known.set(key, document);
      }
      return (await document.get()).value;
    },
    forget(subject) {
      // An answer still on its way lands in a document that nobody holds any more.
      const prefix = subjectPrefix(subject);
      for (const key of [...known.keys()]) if (key.startsWith(prefix)) known.delete(key);
    },
  };
}

/** Injective, as principalKey. */
const subjectPrefix = (subject: string) => `${subject.length}:${subject}`;

/** Asks WorkOS, unless it has just said that it is asked too often. */
function openQuestion({ apiBaseUrl, apiKey, fetch, clock, log }: WorkosMembershipsOptions) {
  let pausedUntil = 0;
  return async (subject: string, organization: string): Promise<Membership | undefined> => {
    const waitMs = pausedUntil - clock.monotonic();
    if (waitMs > 0) throw tooManyQuestions(Math.ceil(waitMs / 1000));
    const response = await fetch(membershipsUrl(apiBaseUrl, subject, organization), {
      headers: { accept: 'application/json', authorization: `Bearer ${apiKey.reveal()}` },
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.status === 200) {
      return findMembership(await readJson(response, maxBytes), subject, organization);
    }
    await discard(response);
    // Ids that WorkOS doesn't know or can't read belong to no member.
    if (response.status === 400 || response.status === 404 || response.status === 422) return undefined;
    if (response.status === 401 || response.status === 403) {
      log.error({ status: response.status }, 'WorkOS refuses the API key (WORKOS_API_KEY)');
    }
    if (response.status === 429) {
      const seconds = pauseSeconds(response.headers.get('retry-after'));
      pausedUntil = clock.monotonic() + seconds * 1000;
      throw tooManyQuestions(seconds);
    }
    throw new Error(`WorkOS answered ${response.status}`);
  };
}

function membershipsUrl(apiBaseUrl: string, subject: string, organization: string): URL {
  const url = new URL(joinPath(apiBaseUrl, '/user_management/organization_memberships'));
  url.searchParams.set('user_id', subject);
  url.searchParams.set('organization_id', organization);
  url.searchParams.set('statuses', 'active');
  url.searchParams.set('limit', '100');
  return url;
}

/** The filters of the question are checked again on the answer: one that was ignored must not admit anybody. */
function findMembership(body: unknown, subject: string, organization: string): Membership | undefined {
  const own = membershipsSchema
    .parse(body)
    .data.filter((one) => one.user_id === subject && one.organization_id === organization && one.status === 'active');
  if (own.length === 0) return undefined;
  const slugs = own.flatMap(({ role, roles }) => [...(role ? [role] : []), ...(roles ?? [])]).map(({ slug }) => slug);
  return { roles: [...new Set(slugs)] };
}

function pauseSeconds(retryAfter: string | null): number {
  const seconds = Number(retryAfter ?? 1);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 1), maxPauseSeconds) : 1;
}

function tooManyQuestions(retryAfterSeconds: number): GatehouseError {
  return new GatehouseError('identity_unavailable', { retryAfterSeconds, cause: new Error('WorkOS answered 429') });
}
