/** How an upstream MCP server is reached: data of a server definition, read by adapters. */
export type ServerTransport = HttpTransport | SseTransport | StdioTransport | BuiltinTransport;

export interface HttpTransport {
  readonly kind: 'http';
  /** `{partition}` is replaced by the binding's partition. Trailing slash kept exactly. */
  readonly url: string;
  /** stateful: it remembers things in a session, so that replicas share the session; stateless (default): each has its own. */
  readonly state?: ServerState;
  readonly tls?: ServerTlsFiles;
}

/** PEM files on the gateway's machine: the operator's word only. */
export interface ServerTlsFiles {
  /** Authorities that the server's certificate may come from, instead of the usual ones. */
  readonly caFile?: string | undefined;
  /** What the gateway shows the server (mutual TLS): both or neither. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

export type ServerState = 'stateful' | 'stateless';

/** HTTP+SSE of 2024-11-05, deprecated. A session is a connection here: no two replicas can share one. */
export interface SseTransport {
  readonly kind: 'sse';
  /** Where the event stream is. `{partition}` as in HttpTransport. */
  readonly url: string;
  readonly tls?: ServerTlsFiles;
}

export interface StdioTransport {
  readonly kind: 'stdio';
  readonly command: string;
  readonly args: readonly string[];
  /** The child's whole environment beside PATH, HOME and the like (runner's allow-list). */
  readonly env: Readonly<Record<string, string>>;
  /** Name of the variable that receives the binding's credential. */
  readonly credentialEnv?: string;
  readonly cwd?: string;
  /** stateful: one child per principal and credential; stateless: shared by all callers of the organization. */
  readonly state: ServerState;
}

export interface BuiltinTransport {
  readonly kind: 'builtin';
  readonly name: string;
}
