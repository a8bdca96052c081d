/**
 * The port to an upstream MCP server. Every adapter looks like a streamable-HTTP server of its own era: a call goes in
 * as method, headers and bytes; status, headers and bytes come out through a sink. Nothing here is a promise: the
 * warm path has none.
 */
import type { Clock } from '#core/clock.ts';
import type { ErrorCode, GatehouseError } from '#core/error.ts';
import type { OrgId, PrincipalKey, ServerId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { Secret } from '#core/secret.ts';
import type { ServerTransport } from '#core/transport.ts';

export interface UpstreamCall {
  readonly method: 'POST' | 'GET' | 'DELETE';
  /** Outgoing header fields, built from an allow-list (never the caller's Authorization); lower-case names. */
  readonly headers: Record<string, string>;
  /** One JSON-RPC message (already checked and transformed), undefined for GET and DELETE. */
  readonly body: Buffer | undefined;
  /** JSON-RPC method of `body`; undefined for a response from the client, GET and DELETE. */
  readonly rpcMethod: string | undefined;
  readonly era: 'legacy' | 'modern';
  /** The upstream's own session id, as it gave it in its `initialize` answer. Also present in `headers`. */
  readonly sessionId: string | undefined;
  /** Who calls, for adapters that keep state per principal: part of every pool key. */
  readonly principal: PrincipalKey;
  readonly org: OrgId;
  readonly credential: Secret | undefined;
  readonly credentialKey: string;
  /** Path below the server, for servers whose URL has a place for the binding's partition. */
  readonly partition: string | undefined;
  readonly timeouts: UpstreamTimeouts;
}

/** Milliseconds; 0: none. */
export interface UpstreamTimeouts {
  readonly headersMs: number;
  /** Between two chunks of the answer. */
  readonly idleMs: number;
  /** Of the whole exchange; progress never extends it. */
  readonly totalMs: number;
}

export interface UpstreamSink {
  /** Once, before any data. Header names lower-case. */
  onHead(status: number, headers: Readonly<Record<string, string | string[] | undefined>>): void;
  /** false: the sink is full; the adapter pauses until `resume` is called. */
  onData(chunk: Buffer): boolean;
  onEnd(): void;
  /** Instead of onEnd, before or after onHead. Nothing follows it. */
  onError(error: GatehouseError): void;
}

export interface UpstreamExchange {
  resume(): void;
  /** The caller is gone or is refused: release everything; the sink hears nothing more. */
  abort(): void;
  /** True once the first byte of the request may have reached the upstream: such a call is never repeated. */
  readonly sent: boolean;
}

export interface Upstream {
  start(call: UpstreamCall, sink: UpstreamSink): UpstreamExchange;
  /** Finishes nothing: ends children and sockets. */
  close(): Promise<void>;
  /** Of a server at several addresses. */
  readonly endpoints?: () => readonly Endpoint[];
}

/** One of several addresses of a server, as it is now. */
export interface Endpoint {
  /** Without query and user. */
  readonly address: string;
  /** Calls under way there. */
  readonly inFlight: number;
  /** It fails: calls go to the others. */
  readonly isEjected: boolean;
  /** How often it was, since it is known. */
  readonly ejections: number;
  /** It is in no current definition: only sessions that began there go on. */
  readonly isLeaving: boolean;
  /** Unix milliseconds. */
  readonly lastFailure: { readonly code: ErrorCode; readonly at: number } | undefined;
  /** Whoever asked it by himself found that it doesn't answer: it is ejected at once. */
  eject(): void;
  /** What is asked here is asked there, ejected or not; session ids are its own. What comes of it counts. */
  readonly upstream: Upstream;
}

/** What identifies one upstream: adapters open one `Upstream` per server definition and pool inside it. */
export interface UpstreamTarget {
  readonly id: ServerId;
  readonly key: string;
  readonly transport: ServerTransport;
  /** Undefined: a server of the platform, offered to every organization that enables it. */
  readonly org: OrgId | undefined;
  /** Which way to it, where there are several. */
  readonly route?: string | undefined;
}

/** Variables that a server's programs get beside those in its definition: sealed where they are kept. */
export type FindVariables = (server: ServerId) => Promise<Readonly<Record<string, Secret>>>;

export interface UpstreamDeps {
  readonly clock: Clock;
  readonly log: Log;
}
