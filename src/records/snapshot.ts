/**
 * What a warm call needs of one organization, immutable and in memory. Rebuilt when the change feed says so and swapped
 * by reference: a request that holds one finishes with it.
 */
import type { BindingId, CredentialId, GroupId, KeyId, OrgId, PolicyId, ServerId } from '#core/ids.ts';
import type { Secret } from '#core/secret.ts';
import type { ServerTransport } from '#core/transport.ts';
import type { EnforcedArguments } from '#mcp/enforce.ts';
import type { ToolShaping } from '#mcp/shape.ts';
import type { Rights, ToolGrant } from './rights.ts';
import type { ServerAuth } from './server-auth.ts';

export interface OrganizationSnapshot {
  readonly id: OrgId;
  readonly slug: string;
  /** The identity provider's id of the organization (`org_123`). */
  readonly externalId: string | undefined;
  readonly name: string;
  /** Grows with every change. */
  readonly version: number;
  /** Of endpoints that don't say how they list. */
  readonly listing?: Listing;
  /** By name: collections and enabled or disabled servers of the organization. A collection hides a server of its name. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  /** In the order in which they decide: by priority, then by name. */
  readonly groups: ReadonlyMap<GroupId, Group>;
  readonly policies: readonly PolicySource[];
  readonly routes: readonly ServerRoute[];
  readonly limits: readonly LimitRule[];
  /** What the trail keeps of arguments; undefined: `digest`. */
  readonly auditContent?: 'none' | 'digest' | 'redacted';
  /** OAuth clients whose tokens are not accepted here; undefined: none. */
  readonly blockedClients?: ReadonlySet<string>;
}

export interface Group {
  readonly id: GroupId;
  readonly name: string;
  /** What the identity provider calls it. */
  readonly externalId: string | undefined;
  /** MCP-Admin: sees all that is enabled (DESIGN ruling 4). */
  readonly builtin: boolean;
}

/** Cedar policies as they were written; what they hold for decides who asks them. */
export interface PolicySource {
  readonly id: PolicyId;
  readonly name: string;
  /** Grows with every change. */
  readonly version: number;
  readonly target:
    | { readonly kind: 'organization' }
    | { readonly kind: 'server'; readonly id: ServerId }
    | { readonly kind: 'collection'; readonly id: string };
  /** The configuration file of ToolHive (REQUIREMENTS S2.17), unparsed. */
  readonly config: unknown;
  readonly onError: 'deny' | 'skip';
  /** `log`: what it would refuse is only said. */
  readonly mode: 'enforce' | 'log';
}

/** Where a group's members reach a server, and with what (REQUIREMENTS S3.13, S3.14): both or neither. */
export interface ServerRoute {
  /** undefined: whoever no group decides for. */
  readonly group: GroupId | undefined;
  readonly server: ServerId;
  readonly credential: CredentialRef | undefined;
  readonly url: string | undefined;
}

export interface LimitRule {
  readonly id: string;
  /** Whom it counts: everybody it holds for together (`organization`, `group`), or each by themselves. */
  readonly counts: 'organization' | 'principal' | 'group';
  /** For whom it holds; all undefined: for everybody. `user`: the row's id. */
  readonly group: GroupId | undefined;
  readonly user: string | undefined;
  readonly key: KeyId | undefined;
  /** Of which calls; undefined: of all. `tool`: the server's own name of it. */
  readonly server: ServerId | undefined;
  readonly tool: string | undefined;
  readonly rate: { readonly points: number; readonly windowSeconds: number; readonly burst: number } | undefined;
  readonly concurrent: number | undefined;
}

export interface Endpoint {
  readonly id: string;
  readonly name: string;
  /** `everything`: all that a caller may use in the organization. */
  readonly kind: 'collection' | 'server' | 'everything';
  /** `'*'`: any active member. An empty list admits nobody. */
  readonly allowedRoles: readonly string[] | '*';
  readonly bindings: readonly Binding[];
  /** By group: what else admits, beside roles. */
  readonly grants: ReadonlyMap<GroupId, ToolGrant>;
  readonly listing: Listing;
  /** What of it this caller may use; undefined: all. Only on endpoints that `gateway/rights` made for somebody. */
  readonly rights?: Rights | undefined;
  /** The same without `rights`: lists are merged once for all. */
  readonly whole?: Endpoint | undefined;
  /** Of `everything`: what it is made of. */
  readonly members?: readonly Endpoint[];
  /** Names of the bindings where they don't follow from them. */
  readonly parts?: readonly EndpointPart[];
  /** Of `everything`: servers that are not enabled, by endpoint name. Whoever calls them is told so (DESIGN ruling 3). */
  readonly closed?: ReadonlyMap<string, ServerDefinition>;
}

/** A binding as one of several. */
export interface EndpointPart {
  readonly binding: Binding;
  /** Before its names and in its URIs; `''`: they are the server's own. */
  readonly prefix: string;
  /** What it is called where names need one although it has no prefix. */
  readonly label: string;
}

/** How the endpoint shows what it has. */
export interface Listing {
  /** `prefixed`: `{prefix}_{name}` where it has several bindings. `plain`: as the servers call them, the earlier binding winning. */
  readonly names: 'prefixed' | 'plain';
  /** `meta`: three tools that search, describe and call the others; `auto`: that, once the list is over the budget. */
  readonly mode: 'full' | 'meta' | 'auto';
  readonly tokenBudget: number;
}

export const plainListing: Listing = { names: 'prefixed', mode: 'full', tokenBudget: 10_000 };

export interface Binding {
  readonly id: BindingId;
  readonly server: ServerDefinition;
  readonly partition: string | undefined;
  readonly credential: CredentialRef | undefined;
  /** By real tool name: what is merged over the caller's arguments, the collection's value winning. */
  readonly enforced: ReadonlyMap<string, EnforcedArguments>;
  /** Before the names of its tools in an endpoint of several bindings; undefined: the server's key. `''`: none. */
  readonly prefix: string | undefined;
  /** How its tools are published; undefined: as the server has them. */
  readonly shaping: ToolShaping | undefined;
  /** What is looked for in all that goes through it; undefined: nothing. */
  readonly filters?: readonly ContentFilterSource[] | undefined;
}

export interface ContentFilterSource {
  readonly id: string;
  readonly name: string;
  /** Of the adapter (adapters/filter), with its configuration. */
  readonly kind: string;
  readonly config: unknown;
  readonly looksAt: 'arguments' | 'results' | 'both';
  readonly action: 'block' | 'redact' | 'flag';
}

export interface ServerDefinition {
  readonly id: ServerId;
  readonly key: string;
  readonly title: string;
  readonly org: OrgId | undefined;
  readonly transport: ServerTransport;
  /** Where no binding has a credential: whose word a call is there. undefined: nobody's. */
  readonly auth?: ServerAuth | undefined;
  /** Receives X-User-* headers (DESIGN ruling 7). */
  readonly trusted: boolean;
  /** False: JSON-RPC -32000 "Access Denied". */
  readonly enabled: boolean;
  /** Its own names of tools that are switched off here. */
  readonly blockedTools: ReadonlySet<string>;
  /** Milliseconds; undefined: the gateway's default for tools/call. */
  readonly totalTimeoutMs: number | undefined;
  /** Another one: what runs for it is ended at once. undefined: 0. */
  readonly generation?: number;
  /** The operator's own key for it: where neither a binding nor a route has one. */
  readonly credential?: CredentialRef | undefined;
  /** Set where a route decides how it is reached: equal for the same address with the same credential. */
  readonly route?: string | undefined;
}

/** Whatever is kept by server must tell routes apart: another address or credential is another server. */
export const lineOf = ({ id, route }: ServerDefinition): string => (route === undefined ? id : `${id} ${route}`);
/** As `lineOf`, of a binding. */
export const wayOf = ({ id, server: { route } }: Binding): string => (route === undefined ? id : `${id} ${route}`);

export interface CredentialRef {
  readonly id: CredentialId;
  readonly org: OrgId;
  /** Changes whenever the sealed value does: part of cache and pool keys. */
  readonly version: number;
  /** How it goes upstream over HTTP; `{}` is replaced by the secret: `authorization` → `Bearer {}`. */
  readonly header: { readonly name: string; readonly template: string };
}

/** The operator's own for a server of the platform: whoever has no other. */
export interface OperatorKey {
  readonly id: CredentialId;
  readonly header: CredentialRef['header'];
}

export interface SnapshotStore {
  /** By slug, external id or UUID; undefined: not in memory (ask `load`). Synchronous: the warm path. */
  find(organization: string): OrganizationSnapshot | undefined;
  /** Loads it if it exists. One query in flight per organization; unknown names are remembered for a short while. */
  load(organization: string): Promise<OrganizationSnapshot | undefined>;
  /** Called when one in memory was replaced or is gone: what it allowed may be allowed no longer. */
  onRenewed(listener: (organization: OrgId) => void): void;
  close(): Promise<void>;
}

export interface CredentialOpener {
  /** Synchronous where the key material is in memory. */
  find(credential: CredentialRef): Secret | undefined;
  /** Throws GatehouseError `credential_unavailable`. */
  open(credential: CredentialRef): Promise<Secret>;
}

/** The server is called with the caller's own account: nothing of it is ever shared with another caller. */
export const isOfCaller = ({ credential, server }: Pick<Binding, 'credential' | 'server'>): boolean =>
  credential === undefined && server.auth !== undefined;
