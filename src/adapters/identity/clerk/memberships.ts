/** Who belongs where, asked live at Clerk's Backend API: one list per person, at most a minute old. */
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { IdentityDeps } from '#adapters/identity/identity.ts';
import { joinPath } from '#adapters/identity/issuer-url.ts';
import { RemoteDocument } from '#adapters/identity/remote-document.ts';
import type { VendorApi } from '#adapters/identity/vendor-api.ts';

/** A list in use is renewed at this age, so that callers never wait for it and it never passes a minute. */
const refreshMs = 40_000;
const staleMs = 60_000;
/** "No member" is believed for less: somebody may just have been invited. */
const absentMs = 10_000;
const maxEntries = 20_000;
const pageSize = 100;
const maxPages = 20;

const pageSchema = z.object({
  data: z.array(
    z.looseObject({
      role: z.string().min(1),
      organization: z.looseObject({ id: z.string().min(1) }),
      public_user_data: z.looseObject({ user_id: z.string() }).nullish(),
    }),
  ),
  total_count: z.int().nonnegative(),
});

/** Organization id → roles. */
type Memberships = ReadonlyMap<string, readonly string[]>;

export interface ClerkMemberships {
  /** Undefined: no member. Throws `identity_unavailable`. */
  find(subject: string, organization: string): Promise<readonly string[] | undefined>;
  list(subject: string): Promise<Memberships>;
  forget(subject: string): void;
}

export interface ClerkMembershipsOptions extends Pick<IdentityDeps, 'clock' | 'log'> {
  readonly api: VendorApi;
  readonly apiUrl: string;
}

export function openClerkMemberships({ api, apiUrl, clock, log }: ClerkMembershipsOptions): ClerkMemberships {
  const known = new LRUCache<string, RemoteDocument<Memberships>>({ max: maxEntries });

  const documentOf = (subject: string) => {
    const held = known.get(subject);
    if (held) return held;
    const made = new RemoteDocument<Memberships>({
      what: 'Clerk organization memberships',
      load: () => listAll(subject, { api, apiUrl }),
      refreshMs: () => refreshMs,
      staleMs: () => staleMs,
      retryMs: { held: 5000, empty: 1000 },
      clock,
      log,
    });
    known.set(subject, made);
    return made;
  };

  return {
    async find(subject, organization) {
      const document = documentOf(subject);
      const held = await document.get();
      const roles = held.value.get(organization);
      if (roles || clock.monotonic() - held.at <= absentMs) return roles;
      return (await document.renew()).value.get(organization);
    },
    list: async (subject) => (await documentOf(subject).get()).value,
    // An answer still on its way lands in a document that nobody holds any more.
    forget: (subject) => void known.delete(subject),
  };
}

async function listAll(
  subject: string,
  { api, apiUrl }: Pick<ClerkMembershipsOptions, 'api' | 'apiUrl'>,
): Promise<Memberships> {
  const found = new Map<string, readonly string[]>();
  for (let page = 0; page < maxPages; page++) {
    const url = new URL(joinPath(apiUrl, `/v1/users/${encodeURIComponent(subject)}/organization_memberships`));
    url.searchParams.set('limit', String(pageSize));
    url.searchParams.set('offset', String(page * pageSize));
    const { status, body } = await api.ask(url, { expected: [400, 404, 422] });
    // A person who was removed, or never was, is a member of nothing.
    if (status !== 200) return new Map();
    const { data, total_count } = pageSchema.parse(body);
    for (const { role, organization, public_user_data: person } of data) {
      // The question is checked again on the answer: somebody else's membership must not admit anybody.
      if (person && person.user_id !== subject) continue;
      found.set(organization.id, [...new Set([...(found.get(organization.id) ?? []), role])]);
    }
    if (data.length === 0 || (page + 1) * pageSize >= total_count) return found;
  }
  throw new Error(`Clerk lists more than ${maxPages * pageSize} memberships of one person`);
}
