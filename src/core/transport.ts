/** How an upstream MCP server is reached: data of a server definition, read by adapters. */
import type { RunOptions, ServerState } from './run.ts';

export type ServerTransport = (
  | HttpTransport
  | SseTransport
  | StdioTransport
  | ProcessTransport
  | ContainerTransport
  | OpenApiTransport
  | BuiltinTransport
) & {
  /** The only revision that it may answer `initialize` with: another one is a failure of its health check (S1.33, S1.35). */
  readonly protocolVersion?: string;
};

export interface HttpTransport {
  readonly kind: 'http';
  /** `{partition}` is replaced by the binding's partition. Trailing slash kept exactly. */
  readonly url: string;
  /** Further addresses of the same server: each call takes one that is well. A session stays where it began. */
  readonly urls?: readonly string[];
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

/** HTTP+SSE of 2024-11-05, deprecated. A session is a connection here: no two replicas can share one. */
export interface SseTransport {
  readonly kind: 'sse';
  /** Where the event stream is. `{partition}` as in HttpTransport. */
  readonly url: string;
  readonly tls?: ServerTlsFiles;
}

/** A program that speaks over its stdin and stdout. */
export interface StdioTransport extends RunOptions {
  readonly kind: 'stdio';
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
}

/** A program that listens itself, on loopback. `{port}` in its arguments and the variable PORT say where. */
export interface ProcessTransport extends RunOptions {
  readonly kind: 'process';
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly speaks: 'http' | 'sse';
  /** Left out: a free one is chosen at each start. */
  readonly port?: number;
  /** Where it answers: `/mcp`, `/sse`. */
  readonly path: string;
}

/** A container of the Docker or Podman engine. */
export interface ContainerTransport extends RunOptions {
  readonly kind: 'container';
  /** With a tag or a digest; never pulled at a call. */
  readonly image: string;
  /** After the image's entry point. */
  readonly args: readonly string[];
  readonly speaks: 'stdio' | 'http' | 'sse';
  /** Inside the container, where it listens. */
  readonly port?: number;
  readonly path?: string;
}

/** A REST API described by an OpenAPI document: its operations are tools. */
export interface OpenApiTransport {
  readonly kind: 'openapi';
  /** SHA-256 of the stored document, hexadecimal. */
  readonly document: string;
  /** Where requests go; left out: the first server that the document names. */
  readonly url?: string;
}

export interface BuiltinTransport {
  readonly kind: 'builtin';
  readonly name: string;
}
