/**
 * An endpoint as one server: its bindings as parts, each with the prefix of its names. A pure function of configuration,
 * so that a name means the same on every replica and after every start (docs/guide/tools.md).
 */
import { type Asked, joinRights, onceFor, seeEndpoint } from '#gateway/rights/seen.ts';
import {
  type Endpoint,
  type EndpointPart,
  type OrganizationSnapshot,
  plainListing,
  type ServerDefinition,
} from '#records/snapshot.ts';

export interface View {
  readonly endpoint: Endpoint;
  /** Of the same endpoint, whoever sees it. */
  readonly whole: View | undefined;
  readonly parts: readonly EndpointPart[];
}

const views = new WeakMap<Endpoint, View>();

export function viewOf(endpoint: Endpoint): View {
  const known = views.get(endpoint);
  if (known) return known;
  const whole = endpoint.whole && viewOf(endpoint.whole);
  const view = { endpoint, whole, parts: whole?.parts ?? endpoint.parts ?? partsOf(endpoint) };
  views.set(endpoint, view);
  return view;
}

/** One binding has no prefix unless it is given one; several have one unless the collection wants plain names. */
function partsOf({ bindings, listing }: Endpoint): readonly EndpointPart[] {
  const taken = new Set<string>();
  return bindings.map((binding) => {
    const label = unique(binding.prefix || binding.server.key, taken);
    const isPlain = listing.names === 'plain' || bindings.length === 1;
    return {
      binding,
      label,
      prefix: binding.prefix === '' ? '' : binding.prefix === undefined && isPlain ? '' : label,
    };
  });
}

/** The second of the same name gets a number. */
function unique(asked: string, taken: Set<string>): string {
  // URIs have no room for dots there.
  const wanted = asked.replaceAll('.', '-');
  let name = wanted;
  for (let n = 2; taken.has(name); n++) name = `${wanted}-${n}`;
  taken.add(name);
  return name;
}

/** Everything of the organization that its caller may use: `/mcp` and `/{org}/mcp`. */
export function everythingOf(organization: OrganizationSnapshot, asked: Asked): Endpoint {
  const { endpoints, key } = asked.reach;
  return onceFor(
    organization,
    JSON.stringify([EVERYTHING, key, asked.policies.keyOf(organization, asked.reach)]),
    () => {
      const members = [...organization.endpoints.values()]
        .filter(({ name }) => endpoints?.includes(name) ?? true)
        .flatMap((endpoint) => seeEndpoint(organization, endpoint, asked) ?? [])
        .sort((a, b) => (a.name < b.name ? -1 : 1));
      const parts = outerParts(members);
      const whole: Endpoint = {
        id: EVERYTHING,
        name: EVERYTHING,
        kind: 'everything',
        allowedRoles: '*',
        grants: new Map(),
        bindings: parts.map(({ binding }) => binding),
        listing: organization.listing ?? plainListing,
        parts,
        members,
        closed: closedServers(members),
      };
      const rights = joinRights(members);
      return rights ? { ...whole, whole, rights } : whole;
    },
  );
}

/** No name that a server or collection can have. */
export const EVERYTHING = '*';

function outerParts(endpoints: readonly Endpoint[]): readonly EndpointPart[] {
  const taken = new Set<string>();
  return endpoints.flatMap((endpoint) => {
    const parts = viewOf(endpoint).parts.filter(({ binding }) => binding.server.enabled);
    return parts.map(({ binding, label }) => {
      const name = unique(endpoint.bindings.length === 1 ? endpoint.name : `${endpoint.name}-${label}`, taken);
      return { binding, label: name, prefix: name };
    });
  });
}

function closedServers(endpoints: readonly Endpoint[]): ReadonlyMap<string, ServerDefinition> {
  const servers = endpoints.filter(({ kind }) => kind === 'server');
  return new Map(
    servers.flatMap(({ name, bindings: [only] }) => (only && !only.server.enabled ? [[name, only.server]] : [])),
  );
}

/** Parts whose names can begin like this, the longest prefix first; those without prefix last, in their order. */
export function candidates(
  { parts }: View,
  name: string,
): readonly { readonly part: EndpointPart; readonly name: string }[] {
  const prefixed = parts
    .filter(({ prefix }) => prefix !== '' && name.startsWith(`${prefix}_`))
    .sort((a, b) => b.prefix.length - a.prefix.length)
    .map((part) => ({ part, name: name.slice(part.prefix.length + 1) }));
  return [...prefixed, ...parts.filter(({ prefix }) => prefix === '').map((part) => ({ part, name }))];
}
