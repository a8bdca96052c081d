/**
 * The admin API as data: what the plugin serves, the command line and portal call, and the OpenAPI document says. A
 * route's `input` holds its path parameters and, beside them, its body (POST, PUT, PATCH) or query (GET, DELETE).
 */
import { z } from 'zod';
import { serverAuth } from './account-nouns.ts';
import { auditRoutes } from './contract/audit.ts';
import { catalogRoutes } from './contract/catalog.ts';
import { configurationRoutes } from './contract/configuration.ts';
import { connectionRoutes } from './contract/connections.ts';
import { credentialRoutes } from './contract/credentials.ts';
import { filterRoutes } from './contract/filters.ts';
import { groupRoutes } from './contract/groups.ts';
import { keyRoutes } from './contract/keys.ts';
import { limitRoutes } from './contract/limits.ts';
import { type ListRule, listing } from './contract/lists.ts';
import { meRoutes } from './contract/me.ts';
import { notificationRoutes } from './contract/notifications.ts';
import { openApiRoutes } from './contract/openapi.ts';
import { organizationRoutes } from './contract/organizations.ts';
import { oversightRoutes } from './contract/oversight.ts';
import { peopleRoutes } from './contract/people.ts';
import { policyRoutes } from './contract/policies.ts';
import { portalRoutes } from './contract/portal.ts';
import { runRoutes } from './contract/runs.ts';
import { secretsRoutes } from './contract/secrets.ts';
import { serverHealthRoutes } from './contract/server-health.ts';
import { serverTestRoutes } from './contract/server-tests.ts';
import {
  account,
  bindingInput,
  bindingsOf,
  collection,
  collectionName,
  listingInput,
  newAccount,
  organization,
  organizationRef,
  password,
  pin,
  rolesOrAll,
  server,
  serverDetail,
  signingKey,
  slug,
  status,
  text,
  username,
} from './nouns.ts';
import { domainName, serverKey } from './people-nouns.ts';
import { transport } from './transport-nouns.ts';

/** What has a body. */
export const hasBody = (method: AdminRoute['method']): boolean =>
  method === 'POST' || method === 'PUT' || method === 'PATCH';

export const adminBase = '/admin/api/v1';

export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `adminBase`, `:name` for parameters. */
  readonly path: string;
  readonly summary: string;
  /** What the caller's role must grant: `admin:*`, `admin:{noun}:*` or this. `self:`: every member has it about themselves. */
  readonly permission: `${'admin' | 'self'}:${string}:${'read' | 'write'}`;
  /** platform: never for a key of one organization. organization: only inside the caller's own. self: people, about themselves. */
  readonly scope: 'platform' | 'organization' | 'self';
  readonly audit: string;
  readonly status: 200 | 201;
  /** A session of the portal has to be of a sign-in that is not long ago (SECURITY H7). */
  readonly freshSignIn?: true;
  /** Of a body; left out: what any may have. Whoever sends a larger one is identified before it is read. */
  readonly maxBodyBytes?: number;
  /** Of a list. */
  readonly list?: ListRule;
  /** Its answer holds a secret that is shown once: it is never answered again. */
  readonly answersSecret?: true;
  /** The route that reads what this one changes: `If-Match` is held against its answer. */
  readonly changes?: string;
  readonly input: z.ZodObject;
  readonly output: z.ZodType;
}

const org = { organization: organizationRef };
const pinDecision = {
  ...org,
  server: slug,
  partition: text.optional(),
  tool: z.string().min(1).max(256),
  /** Of the definition that was looked at: another one is not decided on. */
  hash: z.string().regex(/^[0-9a-f]{64}$/, 'must be the hash of what waits'),
};

const organizations = listing(organization, {
  id: ['id'],
  sort: ['slug', 'name'],
  search: ['slug', 'name', 'externalId', 'domain'],
});
const servers = listing(server, { id: ['id'], sort: ['key', 'title', 'kind'], search: ['key', 'title', 'kind'] });
const collections = listing(collection, { id: ['id'], sort: ['name'], search: ['name'] });
const pins = listing(pin, {
  id: ['server', 'partition', 'tool'],
  sort: ['server', 'tool', 'state'],
  search: ['server', 'tool'],
});
const accounts = listing(account, {
  id: ['id'],
  sort: ['username', 'name', 'createdAt'],
  search: ['username', 'name', 'email'],
});

export const contract = {
  ...limitRoutes,
  ...openApiRoutes,
  ...runRoutes,
  getStatus: {
    method: 'GET',
    path: '/status',
    summary: 'What this gateway is and how it is',
    permission: 'admin:status:read',
    scope: 'platform',
    audit: 'status.read',
    status: 200,
    input: z.strictObject({}),
    output: status,
  },
  listOrganizations: {
    method: 'GET',
    path: '/organizations',
    summary: 'Every organization',
    permission: 'admin:organizations:read',
    scope: 'platform',
    audit: 'organization.list',
    status: 200,
    input: z.strictObject({ ...organizations.input }),
    output: organizations.output,
    list: organizations.list,
  },
  createOrganization: {
    method: 'POST',
    path: '/organizations',
    summary: 'Make an organization',
    permission: 'admin:organizations:write',
    scope: 'platform',
    audit: 'organization.create',
    status: 201,
    input: z.strictObject({
      slug,
      name: text,
      externalId: organizationRef.optional(),
      domain: domainName.optional(),
    }),
    output: organization,
  },
  getServer: {
    method: 'GET',
    path: '/servers/:server',
    summary: 'One server of the platform, with its definition but without secrets',
    permission: 'admin:servers:read',
    scope: 'platform',
    audit: 'server.read',
    status: 200,
    input: z.strictObject({ server: serverKey }),
    output: serverDetail,
  },
  listServers: {
    method: 'GET',
    path: '/servers',
    summary: 'Every server definition of the platform',
    permission: 'admin:servers:read',
    scope: 'platform',
    audit: 'server.list',
    status: 200,
    input: z.strictObject({ ...servers.input }),
    output: servers.output,
    list: servers.list,
  },
  createServer: {
    method: 'POST',
    path: '/servers',
    summary: 'Define a server of the platform, optionally enabled for an organization',
    permission: 'admin:servers:write',
    // Never for an organization's key: a stdio server is a command of this machine.
    scope: 'platform',
    audit: 'server.create',
    status: 201,
    input: z.strictObject({
      key: slug,
      title: text.optional(),
      transport,
      auth: serverAuth.optional(),
      trusted: z.boolean().default(false),
      enableFor: organizationRef.optional(),
    }),
    output: server,
  },
  listCollections: {
    method: 'GET',
    path: '/organizations/:organization/collections',
    summary: 'Collections of an organization',
    permission: 'admin:collections:read',
    scope: 'organization',
    audit: 'collection.list',
    status: 200,
    input: z.strictObject({ ...org, ...collections.input }),
    output: collections.output,
    list: collections.list,
  },
  getCollection: {
    method: 'GET',
    path: '/organizations/:organization/collections/:name',
    summary: 'One collection of an organization',
    permission: 'admin:collections:read',
    scope: 'organization',
    audit: 'collection.read',
    status: 200,
    input: z.strictObject({ ...org, name: collectionName }),
    output: collection,
  },
  createCollection: {
    method: 'POST',
    path: '/organizations/:organization/collections',
    summary: 'Publish a collection',
    permission: 'admin:collections:write',
    scope: 'organization',
    audit: 'collection.create',
    status: 201,
    input: z.strictObject({
      ...org,
      name: collectionName,
      allowedRoles: rolesOrAll,
      ...listingInput,
      bindings: bindingsOf(bindingInput),
    }),
    output: collection,
  },
  listPins: {
    method: 'GET',
    path: '/organizations/:organization/pins',
    summary: 'Definitions of tools that are approved or wait, with what changed',
    permission: 'admin:pins:read',
    scope: 'organization',
    audit: 'pin.list',
    status: 200,
    input: z.strictObject({ ...org, server: slug.optional(), state: pin.shape.state.optional(), ...pins.input }),
    output: pins.output,
    list: pins.list,
  },
  approvePin: {
    method: 'POST',
    path: '/organizations/:organization/pins/approve',
    summary: 'Approve the definition of a tool that waits',
    permission: 'admin:pins:write',
    scope: 'organization',
    audit: 'pin.approve',
    status: 200,
    input: z.strictObject(pinDecision),
    output: pin,
  },
  rejectPin: {
    method: 'POST',
    path: '/organizations/:organization/pins/reject',
    summary: 'Refuse the definition of a tool that waits: what was approved stays',
    permission: 'admin:pins:write',
    scope: 'organization',
    audit: 'pin.reject',
    status: 200,
    input: z.strictObject(pinDecision),
    output: pin,
  },
  ...keyRoutes,
  ...catalogRoutes,
  ...credentialRoutes,
  ...filterRoutes,
  ...secretsRoutes,
  ...serverHealthRoutes,
  ...serverTestRoutes,
  rotateSigningKey: {
    method: 'POST',
    path: '/signing-keys/rotate',
    summary: 'Make a new key that signs access tokens',
    permission: 'admin:signing:write',
    scope: 'platform',
    audit: 'signing.rotate',
    status: 201,
    freshSignIn: true,
    input: z.strictObject({
      /** The old ones are no longer to be trusted: what they signed is refused from now on. */
      atOnce: z.boolean().default(false),
    }),
    output: signingKey,
  },
  listAccounts: {
    method: 'GET',
    path: '/accounts',
    summary: 'Local accounts',
    permission: 'admin:accounts:read',
    scope: 'platform',
    audit: 'account.list',
    status: 200,
    input: z.strictObject({ ...accounts.input }),
    output: accounts.output,
    list: accounts.list,
  },
  createAccount: {
    method: 'POST',
    path: '/accounts',
    summary: 'Make a local account: a password that is made here is in this answer and nowhere else',
    permission: 'admin:accounts:write',
    scope: 'platform',
    audit: 'account.create',
    status: 201,
    freshSignIn: true,
    input: z.strictObject({
      username,
      name: text.optional(),
      email: z.email().max(320).optional(),
      /** Undefined: one is made. */
      password: password.optional(),
      /** The account becomes a member of it. */
      organization: organizationRef.optional(),
      roles: z.array(text).max(100).default([]),
    }),
    output: newAccount,
    answersSecret: true,
  },
  deactivateAccount: {
    method: 'POST',
    path: '/accounts/:username/deactivate',
    summary: 'End every session and token of a local account, and its sign-in',
    permission: 'admin:accounts:write',
    scope: 'platform',
    audit: 'account.deactivate',
    status: 200,
    input: z.strictObject({ username }),
    output: account,
  },
  setAccountPassword: {
    method: 'POST',
    path: '/accounts/:username/password',
    summary: 'Give a local account another password: its sessions and tokens end, and it may sign in again',
    permission: 'admin:accounts:write',
    scope: 'platform',
    audit: 'account.password',
    status: 200,
    freshSignIn: true,
    input: z.strictObject({ username, password: password.optional() }),
    output: newAccount,
    answersSecret: true,
  },
  ...configurationRoutes,
  ...connectionRoutes,
  ...auditRoutes,
  ...organizationRoutes,
  ...groupRoutes,
  ...peopleRoutes,
  ...policyRoutes,
  ...portalRoutes,
  ...notificationRoutes,
  ...meRoutes,
  ...oversightRoutes,
} as const satisfies Record<string, AdminRoute>;

export type Contract = typeof contract;
export type RouteName = keyof Contract;
/** As a caller writes it: defaults may be left out. */
export type RouteInput<Name extends RouteName> = z.input<Contract[Name]['input']>;
export type RouteOutput<Name extends RouteName> = z.output<Contract[Name]['output']>;
/** As a handler gets it. */
export type ParsedInput<Name extends RouteName> = z.output<Contract[Name]['input']>;
export const routeNames = Object.keys(contract) as readonly RouteName[];
const routes: Readonly<Record<string, AdminRoute>> = contract;
/** What a route is, whichever. */
export const routeOf = (name: RouteName): AdminRoute => routes[name] as AdminRoute;
