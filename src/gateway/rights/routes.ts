/**
 * Where a caller reaches a server, and with what (REQUIREMENTS S3.13, S3.14): the first of their groups, in order, that has
 * a route for it; else the organization's own; else the binding's server as it is, with the operator's key. What a route
 * says holds together: its address never goes with another's credential, its credential never with another's address.
 */
import { hash } from 'node:crypto';
import type { GroupId, ServerId } from '#core/ids.ts';
import type { ServerTransport } from '#core/transport.ts';
import type { Binding, Endpoint, OrganizationSnapshot, ServerDefinition, ServerRoute } from '#records/snapshot.ts';
import type { Reach } from './reach.ts';

type ByGroup = ReadonlyMap<GroupId | undefined, ServerRoute>;
const indexes = new WeakMap<OrganizationSnapshot, ReadonlyMap<ServerId, ByGroup>>();

/** Snapshots are immutable: once each. */
function indexOf(organization: OrganizationSnapshot): ReadonlyMap<ServerId, ByGroup> {
  const known = indexes.get(organization);
  if (known) return known;
  const byServer = Map.groupBy(organization.routes, ({ server }) => server);
  const made = new Map(
    [...byServer].map(([server, routes]) => [server, new Map(routes.map((route) => [route.group, route]))]),
  );
  indexes.set(organization, made);
  return made;
}

export interface Way {
  /** Equal for equal routes of the same endpoint. */
  readonly key: string;
  readonly make: () => Endpoint;
}

/** undefined: nothing decides but the endpoint itself. A credential that a binding has of its own is an explicit choice and stays. */
export function routed(
  organization: OrganizationSnapshot,
  endpoint: Endpoint,
  reach: Pick<Reach, 'groups'>,
): Way | undefined {
  if (organization.routes.length === 0) return undefined;
  const chosen = endpoint.bindings.map((binding) =>
    hasOwn(binding) ? undefined : choose(organization, binding, reach),
  );
  if (chosen.every((route) => route === undefined)) return undefined;
  return {
    key: JSON.stringify(chosen.map((route) => (route ? (route.group ?? '') : null))),
    make: () => ({
      ...endpoint,
      bindings: endpoint.bindings.map((binding, i) => redirect(organization, binding, chosen[i])),
    }),
  };
}

const hasOwn = ({ credential, server }: Binding): boolean =>
  credential !== undefined && credential !== server.credential;

function choose(
  organization: OrganizationSnapshot,
  { server }: Binding,
  { groups }: Pick<Reach, 'groups'>,
): ServerRoute | undefined {
  const routes = indexOf(organization).get(server.id);
  if (!routes) return undefined;
  const first = groups.find(({ id }) => routes.has(id));
  return routes.get(first?.id);
}

function redirect(organization: OrganizationSnapshot, binding: Binding, route: ServerRoute | undefined): Binding {
  if (!route) return binding;
  return { ...binding, credential: route.credential, server: served(organization, binding.server, route) };
}

function served({ id: org }: OrganizationSnapshot, server: ServerDefinition, route: ServerRoute): ServerDefinition {
  const text = JSON.stringify([org, route.url ?? null, route.credential?.id ?? null]);
  const name = hash('sha256', text, 'base64url').slice(0, 22);
  if (route.url === undefined) return { ...server, route: name };
  const transport = elsewhere(server.transport, route.url);
  // What an organization entered: it must not reach the inside, and hears nothing of who calls.
  return { ...server, route: name, org, trusted: false, transport };
}

/** Whatever the server is elsewhere, at an address it speaks HTTP. */
function elsewhere(transport: ServerTransport, url: string): ServerTransport {
  if (transport.kind === 'sse') return { kind: 'sse', url };
  if (transport.kind === 'http') return { kind: 'http', url, ...(transport.state && { state: transport.state }) };
  return { kind: 'http', url };
}
