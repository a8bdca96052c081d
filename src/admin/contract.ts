/**
 * The admin API as data: what the plugin serves, the command line and portal call, and the OpenAPI document says. A
 * route's `input` holds its path parameters and, beside them, its body (POST, PUT, PATCH) or query (GET, DELETE).
 */
import type { z } from 'zod';
import { accountRoutes } from './contract/accounts.ts';
import { auditRoutes } from './contract/audit.ts';
import { catalogRoutes } from './contract/catalog.ts';
import { collectionRoutes } from './contract/collections.ts';
import { configurationRoutes } from './contract/configuration.ts';
import { connectionRoutes } from './contract/connections.ts';
import { credentialRoutes } from './contract/credentials.ts';
import { filterRoutes } from './contract/filters.ts';
import { groupRoutes } from './contract/groups.ts';
import { keyRoutes } from './contract/keys.ts';
import { limitRoutes } from './contract/limits.ts';
import type { ListRule } from './contract/lists.ts';
import { meRoutes } from './contract/me.ts';
import { notificationRoutes } from './contract/notifications.ts';
import { openApiRoutes } from './contract/openapi.ts';
import { organizationRoutes } from './contract/organizations.ts';
import { oversightRoutes } from './contract/oversight.ts';
import { peopleRoutes } from './contract/people.ts';
import { pinRoutes } from './contract/pins.ts';
import { platformRoutes } from './contract/platform.ts';
import { policyRoutes } from './contract/policies.ts';
import { portalRoutes } from './contract/portal.ts';
import { registrationRoutes } from './contract/registrations.ts';
import { runRoutes } from './contract/runs.ts';
import { secretsRoutes } from './contract/secrets.ts';
import { serverHealthRoutes } from './contract/server-health.ts';
import { serverTestRoutes } from './contract/server-tests.ts';
import { serverRoutes } from './contract/servers.ts';

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

export const contract = {
  ...limitRoutes,
  ...openApiRoutes,
  ...runRoutes,
  ...platformRoutes,
  ...registrationRoutes,
  ...serverRoutes,
  ...collectionRoutes,
  ...pinRoutes,
  ...keyRoutes,
  ...catalogRoutes,
  ...credentialRoutes,
  ...filterRoutes,
  ...secretsRoutes,
  ...serverHealthRoutes,
  ...serverTestRoutes,
  ...accountRoutes,
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

export type { PortalOrganization, PortalSession } from './contract/portal-session.ts';
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
