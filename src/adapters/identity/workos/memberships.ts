import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { IdentityDeps, Membership } from '#adapters/identity/identity.ts';
import { joinPath } from '#adapters/identity/issuer-url.ts';
import { RemoteDocument } from '#adapters/identity/remote-document.ts';
import { openVendorApi } from '#adapters/identity/vendor-api.ts';
import type { Secret } from '#core/secret.ts';

/** A membership in use is renewed at this age, so that callers never wait for it and it never passes a minute. */
const refreshMs = 40_000;
const staleMs = 60_000;
/** "No member" is forgotten sooner: somebody may just have been invited. */
const absentMs = 10_000;
const maxEntries = 20_000;
/** Of 100 memberships each. */
const maxPages = 20;

const roleSchema = z.looseObject({ slug: z.string() });
const membershipSchema = z.looseObject({
  user_id: z.string(),
  organization_id: z.string(),
  status: z.string(),
  role: roleSchema.nullish(),
  roles: z.array(roleSchema).nullish(),
});
const membershipsSchema = z.object({
  data: z.array(membershipSchema),
  list_metadata: z.looseObject({ after: z.string().nullish() }).nullish(),
});

type MembershipRow = z.output<typeof membershipSchema>;

export interface WorkosMemberships {
  find(subject: string, organization: string): Promise<Membership | undefined>;
  /** All of the subject's, by organization; kept for as long. Throws `identity_unavailable`. */
  list(subject: string): Promise<ReadonlyMap<string, Membership>>;
  forget(subject: string): void;
}

export interface WorkosMembershipsOptions extends IdentityDeps {
  readonly apiBaseUrl: string;
  readonly apiKey: Secret;
}

export function openWorkosMemberships(options: WorkosMembershipsOptions): WorkosMemberships {
  const { clock, log } = options;
  const known = new LRUCache<string, RemoteDocument<ReadonlyMap<string, Membership>>>({ max: maxEntries });
  const ask = openQuestion(options);

  const documentFor = (subject: string, organization: string | undefined) =>
    new RemoteDocument<ReadonlyMap<string, Membership>>({
      what: 'WorkOS organization memberships',
      load: () => ask(subject, organization),
      refreshMs: ({ size }) => (size > 0 ? refreshMs : absentMs),
      staleMs: ({ size }) => (size > 0 ? staleMs : absentMs),
      retryMs: { held: 5000, empty: 1000 },
      clock,
      log,
    });

  const get = async (subject: string, organization: string | undefined) => {
    const key = `${subjectPrefix(subject)}${organization === undefined ? '' : `=${organization}`}`;
    let document = known.get(key);
    if (!document) {
      document = documentFor(subject, organization);
      known.set(key, document);
    }
    return (await document.get()).value;
  };

  return {
    find: async (subject, organization) => (await get(subject, organization)).get(organization),
    list: (subject) => get(subject, undefined),
    forget(subject) {
      // An answer still on its way lands in a document that nobody holds any more.
      const prefix = subjectPrefix(subject);
      for (const key of [...known.keys()]) if (key.startsWith(prefix)) known.delete(key);
    },
  };
}

/** Injective, as principalKey. */
const subjectPrefix = (subject: string) => `${subject.length}:${subject}`;

/** Every page of the question; ids that WorkOS doesn't know or can't read belong to no member. */
function openQuestion({ apiBaseUrl, ...options }: WorkosMembershipsOptions) {
  const api = openVendorApi({ ...options, vendor: 'WorkOS', setting: 'WORKOS_API_KEY' });
  return async (subject: string, organization?: string): Promise<ReadonlyMap<string, Membership>> => {
    const found = new Map<string, readonly string[]>();
    let after: string | undefined;
    for (let page = 0; page < maxPages; page++) {
      const url = membershipsUrl(apiBaseUrl, { subject, organization, after });
      const { body, status } = await api.ask(url, { expected: [400, 404, 422] });
      if (status !== 200) return new Map();
      const { data, list_metadata } = membershipsSchema.parse(body);
      for (const one of data) {
        if (isAsked(one, subject, organization)) {
          found.set(one.organization_id, [...(found.get(one.organization_id) ?? []), ...slugsOf(one)]);
        }
      }
      after = list_metadata?.after ?? undefined;
      if (after === undefined) return asMemberships(found);
    }
    throw new Error(`WorkOS lists more than ${maxPages} pages of memberships`);
  };
}

interface Question {
  readonly subject: string;
  readonly organization: string | undefined;
  readonly after: string | undefined;
}

function membershipsUrl(apiBaseUrl: string, { subject, organization, after }: Question): URL {
  const url = new URL(joinPath(apiBaseUrl, '/user_management/organization_memberships'));
  url.searchParams.set('user_id', subject);
  if (organization !== undefined) url.searchParams.set('organization_id', organization);
  url.searchParams.set('statuses', 'active');
  url.searchParams.set('limit', '100');
  if (after !== undefined) url.searchParams.set('after', after);
  return url;
}

/** The filters of the question are checked again on the answer: one that was ignored must not admit anybody. */
function isAsked(one: MembershipRow, subject: string, organization: string | undefined): boolean {
  const fits = organization === undefined || one.organization_id === organization;
  return fits && one.user_id === subject && one.status === 'active';
}

const slugsOf = ({ role, roles }: MembershipRow) => [...(role ? [role] : []), ...(roles ?? [])].map(({ slug }) => slug);

const asMemberships = (found: ReadonlyMap<string, readonly string[]>) =>
  new Map([...found].map(([organization, slugs]) => [organization, { roles: [...new Set(slugs)] }]));
