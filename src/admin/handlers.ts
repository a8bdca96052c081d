/** Every route's work, behind the one check of permission and input; the audit event is emitted whatever comes of it. */

import type { Limiter } from '#adapters/limiter/limiter.ts';
import type { PolicyEngine } from '#adapters/policy/policy.ts';
import type { Clock } from '#core/clock.ts';
import { asGatehouseError, type ErrorCode, GatehouseError } from '#core/error.ts';
import type { JsonObject } from '#core/json.ts';
import type { AddressGuard } from '#http/address-guard.ts';
import type { AuditReader } from '#records/audit/reader.ts';
import type { PageWish } from '#records/page.ts';
import type { IssuersOf } from '#records/people.ts';
import {
  type Actor,
  actorName,
  checkFresh,
  checkPermission,
  type KnownCaller,
  type Origin,
  type SignedInPerson,
  settleActor,
} from './actor.ts';
import type { ServerAsking } from './asking.ts';
import type { CatalogEntry } from './catalog/entry.ts';
import type { GatewayHealth } from './contract/server-health.ts';
import {
  type AdminRoute,
  type ParsedInput,
  type RouteName,
  type RouteOutput,
  routeNames,
  routeOf,
} from './contract.ts';
import type { Status } from './nouns.ts';
import { ifUnchanged, once, type RequestConditions } from './once.ts';
import type { OpenApiImport } from './openapi-import.ts';
import { pageOfAll } from './paging.ts';
import type { AdminRecords, SecretsAdmin } from './records.ts';
import { accessHandlers } from './routes/access.ts';
import { accessRequestHandlers } from './routes/access-requests.ts';
import { accountHandlers } from './routes/accounts.ts';
import { appHandlers } from './routes/apps.ts';
import { auditHandlers } from './routes/audit.ts';
import { catalogHandlers } from './routes/catalog.ts';
import { clientHandlers } from './routes/clients.ts';
import { collectionHandlers } from './routes/collections.ts';
import { type Configuration, configurationHandlers } from './routes/configuration.ts';
import { connectionHandlers } from './routes/connections.ts';
import { credentialHandlers } from './routes/credentials.ts';
import { enablementHandlers } from './routes/enablements.ts';
import { filterHandlers } from './routes/filters.ts';
import { grantHandlers } from './routes/grants.ts';
import { groupHandlers } from './routes/groups.ts';
import { imageHandlers } from './routes/images.ts';
import { importHandlers } from './routes/imports.ts';
import { keyHandlers } from './routes/keys.ts';
import { limitHandlers } from './routes/limits.ts';
import { meHandlers } from './routes/me.ts';
import { memberHandlers } from './routes/members.ts';
import { myKeyHandlers } from './routes/my-keys.ts';
import { type Notifier, notificationHandlers } from './routes/notifications.ts';
import { openApiHandlers } from './routes/openapi.ts';
import { organizationHandlers } from './routes/organizations.ts';
import { personHandlers } from './routes/people.ts';
import { pinHandlers } from './routes/pins.ts';
import { policyHandlers } from './routes/policies.ts';
import { portalHandlers } from './routes/portal.ts';
import { registrationHandlers } from './routes/registrations.ts';
import { runOrderHandlers } from './routes/run-orders.ts';
import { runHandlers } from './routes/runs.ts';
import { secretsHandlers } from './routes/secrets.ts';
import { type KnownServer, serverHealthHandlers } from './routes/server-health.ts';
import { serverTestHandlers } from './routes/server-tests.ts';
import { serverToolHandlers } from './routes/server-tools.ts';
import { serverHandlers } from './routes/servers.ts';
import { serviceAccountHandlers } from './routes/service-accounts.ts';
import type { ProgramsHere, RunningServers } from './run-storage.ts';
import type { SelfRooms } from './self.ts';

/** What becomes an audit row: no input values, which may hold secrets. */
export interface AdminEvent {
  readonly at: number;
  /** undefined: nobody that this gateway knows, such as the directory of an identity provider. */
  readonly by?: Actor | SignedInPerson | KnownCaller;
  /** Where it came from, if nobody is known whose `from` says so. */
  readonly from?: Origin;
  readonly action: string;
  readonly actor: string;
  readonly organization: string | undefined;
  /** Names what was acted on. */
  readonly target: string | undefined;
  readonly outcome: 'done' | ErrorCode;
  /** It changed something, though it was never begun: it is kept even when it was done. */
  readonly isChange?: true;
  /** Names nobody. */
  readonly detail?: JsonObject;
}

/** Of a change: what came of it, and what was learned meanwhile. */
export type EndAudit = (outcome: AdminEvent['outcome'], learned?: JsonObject) => Promise<void>;

export interface AdminDeps {
  readonly records: AdminRecords;
  readonly policies: PolicyEngine;
  readonly clock: Clock;
  /** Of the trail and usage. */
  readonly reader?: AuditReader;
  readonly status: () => Status;
  /** Of its parts; undefined: no gateway runs. */
  readonly health?: () => Promise<GatewayHealth>;
  /** Answered once it is kept. */
  readonly audit: (event: AdminEvent) => unknown;
  /** Before a change: it is not made before this is kept. Called with what came of it. */
  readonly beginAudit?: (event: Omit<AdminEvent, 'outcome'>) => Promise<EndAudit>;
  readonly secrets?: SecretsAdmin;
  /** Unix milliseconds; undefined: no gateway runs. */
  readonly newPortalLink?: () => Promise<{ readonly url: string; readonly expiresAt: number }>;
  /** As code; undefined: nobody composed it. */
  readonly configuration?: Configuration;
  /** What runs here; undefined: no gateway runs. */
  readonly running?: RunningServers;
  /** Where they run; undefined: no gateway runs. */
  readonly programs?: ProgramsHere;
  /** By which people are told apart in the trail; undefined: nobody can say. */
  readonly issuersOf?: IssuersOf;
  /** What is wrong with a content filter; undefined: nothing. */
  readonly explainFilter?: (kind: string, config: unknown) => string | undefined;
  /** Judges URLs that are entered; undefined: the public internet only. */
  readonly guard?: AddressGuard;
  /** Reads and fetches OpenAPI documents; undefined: nobody does. */
  readonly openApi?: OpenApiImport;
  /** What the data plane knows of servers; undefined: there is none here. */
  readonly serverFigures?: () => readonly KnownServer[];
  /** Asks servers; undefined: no gateway runs here. */
  readonly asking?: ServerAsking;
  /** Default: what is shipped. */
  readonly catalog?: readonly CatalogEntry[];
  /** Text at a URL, within the rules of egress; undefined: nothing is fetched. */
  readonly fetchDocument?: (url: string) => Promise<string>;
  /** Of the registry that imports by name ask. */
  readonly registryUrl?: string;
  /** Delivers what people are told; undefined: no gateway runs. */
  readonly notifier?: Notifier;
  /** What people may use, and their calls; undefined: no gateway runs. */
  readonly self?: SelfRooms;
  /** How much is used of what a limiter counts. */
  readonly readLimit: Limiter['read'];
  /** Of the keys that sign access tokens; `signsAt` in Unix milliseconds. */
  readonly rotateSigningKeys: (options: {
    readonly atOnce: boolean;
  }) => Promise<{ readonly kid: string; readonly signsAt: number }>;
}

/** Of a list without `next`: all of it, whose page is made afterwards. */
export type Answer<Name extends RouteName> =
  RouteOutput<Name> extends { readonly items: readonly unknown[]; readonly next: string | null }
    ? Omit<RouteOutput<Name>, 'next'> & { readonly next?: string | null }
    : RouteOutput<Name>;
export type Handler<Name extends RouteName> = (input: ParsedInput<Name>, actor: Actor) => Promise<Answer<Name>>;
export type Handlers = { readonly [Name in RouteName]: Handler<Name> };

/** Runs a route by name. Throws GatehouseError: `invalid_params` with what is wrong, `forbidden`, and what the work throws. */
export type AdminRunner = <Name extends RouteName>(
  name: Name,
  input: unknown,
  actor: Actor | SignedInPerson,
  conditions?: RequestConditions,
) => Promise<RouteOutput<Name>>;

export function openAdmin(deps: AdminDeps): AdminRunner {
  const handlers: Handlers = {
    getStatus: async () => deps.status(),
    async getHealth() {
      if (deps.health) return deps.health();
      throw new GatehouseError('not_found', { message: 'No gateway runs here' });
    },
    ...organizationHandlers(deps),
    ...serverHandlers(deps),
    ...openApiHandlers(deps),
    ...serverToolHandlers(deps),
    ...serverHealthHandlers(deps),
    ...serverTestHandlers(deps),
    ...imageHandlers(deps),
    ...collectionHandlers(deps),
    ...pinHandlers(deps),
    ...configurationHandlers(deps),
    ...connectionHandlers(deps),
    ...keyHandlers(deps),
    ...limitHandlers(deps),
    ...clientHandlers(deps),
    ...catalogHandlers(deps),
    ...importHandlers(deps),
    ...credentialHandlers(deps),
    ...filterHandlers(deps),
    ...runHandlers(deps),
    ...runOrderHandlers(deps),
    ...secretsHandlers(deps),
    ...registrationHandlers(deps),
    rotateSigningKey: async (input) => {
      const { kid, signsAt } = await deps.rotateSigningKeys(input);
      return { kid, signsAt: new Date(signsAt).toISOString() };
    },
    ...accountHandlers(deps),
    ...auditHandlers(deps),
    ...enablementHandlers(deps),
    ...groupHandlers(deps),
    ...grantHandlers(deps),
    ...memberHandlers(deps),
    ...serviceAccountHandlers(deps),
    ...personHandlers(deps),
    ...policyHandlers(deps),
    ...portalHandlers(deps),
    ...notificationHandlers(deps),
    ...meHandlers(deps),
    ...myKeyHandlers(deps),
    ...accessRequestHandlers(deps),
    ...appHandlers(deps),
    ...accessHandlers(deps),
  };
  // By name from here on: the compiler would compare every route with every other.
  const work = handlers as unknown as Readonly<Record<RouteName, (input: object, actor: Actor) => Promise<object>>>;
  const run = async (
    name: RouteName,
    input: unknown,
    presented: Actor | SignedInPerson,
    conditions: RequestConditions = {},
  ): Promise<object> => {
    const route = routeOf(name);
    const { clock } = deps;
    const event = {
      at: clock.now(),
      by: presented,
      action: route.audit,
      actor: actorName(presented),
      ...named(input, route),
    };
    const audit = (outcome: AdminEvent['outcome']): unknown => deps.audit({ ...event, outcome });
    let end: (outcome: AdminEvent['outcome'], learned?: JsonObject) => unknown = audit;
    try {
      const actor = await settleActor(deps.records, presented, route, input);
      checkPermission(actor, route);
      checkFresh(presented, route, clock.now());
      const parsed = parseInput(name, input);
      const change = async () => {
        if (deps.beginAudit && route.permission.endsWith(':write')) end = await deps.beginAudit(event);
        return paged(route, parsed, await work[name](parsed, actor));
      };
      const read = (of: RouteName, ofInput: unknown) => work[of](parseInput(of, ofInput), actor);
      const result = await conditioned(deps, { name, input: parsed, asked: input, actor, read, conditions }, change);
      await end('done', learnedFrom(result));
      return result;
    } catch (thrown) {
      await end(asGatehouseError(thrown).code);
      throw thrown;
    }
  };
  return run as AdminRunner;
}

/** Large lists come as pages already. */
function paged(route: AdminRoute, input: object, answer: object): object {
  if (!route.list || !('items' in answer) || !Array.isArray(answer.items) || 'next' in answer) return answer;
  const { limit = 100, ...wish }: Partial<PageWish> = input;
  return { ...answer, ...pageOfAll(answer.items, { limit, ...wish }, route.list) };
}

interface Conditioned {
  readonly name: RouteName;
  readonly input: object;
  /** As it was sent. */
  readonly asked: unknown;
  readonly actor: Actor;
  readonly read: (name: RouteName, input: unknown) => Promise<unknown>;
  readonly conditions: RequestConditions;
}

function conditioned<T>(deps: AdminDeps, request: Conditioned, work: () => Promise<T>): Promise<T> {
  const { name, input, actor, read, conditions } = request;
  const { ifMatch, idempotencyKey: key, onReplay } = conditions;
  const route = routeOf(name);
  const of = routeNames.find((each) => each === route.changes);
  const guarded = () => {
    if (ifMatch === undefined || of === undefined) return work();
    const names = Object.keys(routeOf(of).input.shape);
    const place = Object.fromEntries(Object.entries(input).filter(([field]) => names.includes(field)));
    const target = JSON.stringify([of, place]).toLowerCase();
    return ifUnchanged(deps, { ifMatch, target, read: () => read(of, place) }, work);
  };
  if (key === undefined || route.method !== 'POST') return guarded();
  const isRepeatable = route.answersSecret !== true;
  return once(
    deps,
    { actor: actorName(actor), route: name, key, input: request.asked, isRepeatable, onReplay },
    guarded,
  );
}

/** Under which name what an erased person did is found. */
const learnedFrom = (result: object): JsonObject | undefined =>
  'pseudonym' in result && typeof result.pseudonym === 'string' ? { pseudonym: result.pseudonym } : undefined;

function parseInput(name: RouteName, input: unknown): object {
  if (isUnfit(input))
    throw new GatehouseError('bad_request', {
      message: 'The request has a NUL character in it, or is nested too deeply',
    });
  const parsed = routeOf(name).input.safeParse(input);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') || 'The request';
  const unknown = issue?.code === 'unrecognized_keys' ? `has no field "${issue.keys[0]}"` : undefined;
  throw new GatehouseError('bad_request', {
    message: `${where} ${unknown ?? `is wrong: ${issue?.message ?? 'correct it'}`}`,
  });
}

const deepest = 100;

/** What no column of text can hold, or is nested more deeply than anything that is asked for. */
function isUnfit(value: unknown, depth = 0): boolean {
  if (typeof value === 'string') return value.includes('\0');
  if (typeof value !== 'object' || value === null) return false;
  if (depth > deepest) return true;
  return Object.entries(value).some(([name, each]) => name.includes('\0') || isUnfit(each, depth + 1));
}

function named(input: unknown, route: AdminRoute): Pick<AdminEvent, 'organization' | 'target'> {
  const { organization, name, slug, key, id, username, tool, ...more } = (input ?? {}) as Readonly<
    Record<string, unknown>
  >;
  const { group, server, account, user, collection, digest } = more;
  const text = (value: unknown) => (typeof value === 'string' ? value.slice(0, 128) : undefined);
  return {
    organization: text(organization),
    // Whoever is erased is named nowhere afterwards.
    target:
      route.audit === 'person.erase'
        ? undefined
        : text(
            id ?? username ?? slug ?? group ?? account ?? user ?? key ?? name ?? tool ?? server ?? collection ?? digest,
          ),
  };
}
