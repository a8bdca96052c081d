/** Gateways with the built-in authorization server on one PostgreSQL, and tokens of theirs without a browser. */

import { asOrgId } from '#core/ids.ts';
import { openNameHosts } from '#core/name-hosts.ts';
import { withPlatform } from '#db/scope.ts';
import { type RunningGateway, startGateway } from '#kit/gateway.ts';
import { openTestServer, type SignedInClient, type SignInOptions, signIn, type TestServer } from '#kit/oauth.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';
import type { OauthSettings } from '#oauth/settings.ts';
import { setMemberships } from '#records/users.ts';

export const rootSecret = 'a-root-secret-of-the-signed-in-world-only';

/** Where nobody listens: people of the tests sign in elsewhere. */
const brokerYaml = `
identity:
  - { kind: oidc, mode: broker, issuer: 'http://127.0.0.1:9', clientId: nobody }
`;

const oauthYaml = (resources: readonly string[], passToken: boolean, more: string) =>
  `oauth: { resources: ${JSON.stringify(resources)}, passToken: ${passToken}${more} }\n`;

export const worldYaml = (upstream: string) => `
organizations:
  - { slug: acme, name: Acme, externalId: org_123 }
  - { slug: other, name: Other, externalId: org_999 }
servers:
  - { key: plain, title: Plain, transport: { kind: http, url: '${upstream}/mcp' } }
collections:
  - { organization: acme, name: docs, allowedRoles: '*', bindings: [{ server: plain }] }
  - { organization: acme, name: wiki, allowedRoles: '*', bindings: [{ server: plain }] }
  - { organization: acme, name: staff, allowedRoles: [staff], bindings: [{ server: plain }] }
  - { organization: other, name: docs, allowedRoles: '*', bindings: [{ server: plain }] }
enablements:
  - { organization: acme, server: plain, allMembers: true }
  - { organization: other, server: plain, allMembers: true }
egress: { allow: ['127.0.0.1'] }
${brokerYaml}`;

export interface Person extends SignedInClient {
  readonly auth: { readonly authorization: string };
}

export interface SignedInWorld {
  /** BASE_URL and issuer, no trailing slash. */
  readonly issuer: string;
  readonly gateways: readonly RunningGateway[];
  readonly upstream: RecordingUpstream;
  readonly database: TestDatabase;
  readonly oauth: TestServer;
  /** By slug. */
  readonly organizationIds: Readonly<Record<string, string>>;
  /** A member of acme without roles, unless told otherwise (`{ slug: roles }`). */
  signIn(options?: SignInOptions, memberships?: Readonly<Record<string, readonly string[]>>): Promise<Person>;
  setRoles(userId: string, memberships: Readonly<Record<string, readonly string[]>>): Promise<void>;
  close(): Promise<void>;
}

export interface SignedInWorldOptions {
  readonly issuer?: string;
  readonly replicas?: number;
  /** BASE_DOMAIN; the issuer is then `auth.` below it. */
  readonly domain?: string;
  /** `oauth.resources`. */
  readonly resources?: readonly string[];
  /** `oauth.passToken`. */
  readonly passToken?: boolean;
  /** Appended to gatehouse.yaml. */
  readonly extraYaml?: string;
  /** Further entries of `identity`, two blanks before each. */
  readonly identityYaml?: string;
  /** Further fields of `oauth`, each after a comma, */
  readonly oauthYaml?: string;
  /** and the same for the server that makes the tokens. */
  readonly settings?: Partial<OauthSettings>;
  readonly env?: Readonly<Record<string, string>>;
}

export async function startSignedInWorld(options: SignedInWorldOptions = {}): Promise<SignedInWorld> {
  const { domain, replicas = 1, resources = [] } = options;
  const issuer = options.issuer ?? (domain === undefined ? 'https://gw.example' : `https://auth.${domain}`);
  const [database, upstream] = await Promise.all([createTestDatabase(), startRecordingUpstream()]);
  const gateways: RunningGateway[] = [];
  for (let n = 0; n < replicas; n++) {
    const configYaml =
      worldYaml(upstream.url) +
      (options.identityYaml ?? '') +
      oauthYaml(resources, options.passToken ?? false, options.oauthYaml ?? '') +
      (options.extraYaml ?? '');
    const address: Readonly<Record<string, string>> =
      domain === undefined ? { BASE_URL: issuer } : { BASE_DOMAIN: domain };
    const env = { DATABASE_URL: database.url, ENCRYPTION_KEY: rootSecret, ...address, ...options.env };
    gateways.push(await startGateway({ configYaml, env }));
  }
  const oauth = await openTestServer({
    database,
    issuer,
    rootSecret,
    settings: { resources, ...options.settings },
    ...(domain !== undefined && { nameHosts: openNameHosts({ domain, baseUrl: issuer, others: new Set() }) }),
  });
  const rows = await database.sql('select slug, id from gateway.organizations');
  const organizationIds = Object.fromEntries(rows.map(({ slug, id }) => [String(slug), String(id)]));
  const setRoles: SignedInWorld['setRoles'] = (userId, memberships) =>
    withPlatform(database.db, (scope) =>
      setMemberships(scope, {
        userId,
        provider: 'test',
        memberships: Object.entries(memberships).map(([slug, roles]) => ({
          org: asOrgId(organizationIds[slug] ?? ''),
          roles,
          groups: [],
        })),
      }),
    );
  return {
    issuer,
    gateways,
    upstream,
    database,
    oauth,
    organizationIds,
    setRoles,
    async signIn(signInOptions = {}, memberships = { acme: [] }) {
      // Members before their first token: its organization is decided as it is issued.
      const first = await signIn(oauth, signInOptions);
      await setRoles(first.user.id, memberships);
      const person = await signIn(oauth, { ...signInOptions, subject: first.user.subject, client: first.client });
      return { ...person, auth: { authorization: `Bearer ${person.accessToken}` } };
    },
    async close() {
      await Promise.all(gateways.map((gateway) => gateway.stop()));
      await oauth.close();
      await upstream.close();
      await database.close();
    },
  };
}
