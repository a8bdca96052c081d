/**
 * What the data plane needs of a request and its response. Node's own objects are both as they are: nothing is wrapped on
 * the way of a call. A message that comes by another channel than one HTTP request brings its own.
 */
export interface ClientRequest {
  readonly method?: string | undefined;
  /** The raw target. */
  readonly url?: string | undefined;
  readonly httpVersion: string;
  /** Name, value, name, value … */
  readonly rawHeaders: readonly string[];
  /** Asked for seldom: Node parses them when they first are. */
  readonly headers: { readonly accept?: string | undefined; readonly 'content-length'?: string | undefined };
  readonly socket: { readonly remoteAddress?: string | undefined; destroy(): unknown };
  readonly destroyed: boolean;
  readonly readableEnded: boolean;
  /** Only `data` brings a chunk. */
  on(event: 'data' | 'end' | 'close' | 'error', listener: (chunk: Buffer) => void): unknown;
}

export interface ClientResponse {
  /** What is written becomes messages on a channel: whatever is said must be one. */
  readonly messagesOnly?: boolean;
  readonly headersSent: boolean;
  readonly destroyed: boolean;
  readonly writableNeedDrain: boolean;
  /** Bytes that wait to leave; undefined: whoever holds them counts them. */
  readonly writableLength?: number;
  /** Null: the connection is gone. */
  readonly socket: { readonly writableEnded: boolean } | null;
  setHeader(name: string, value: string): unknown;
  writeHead(status: number, headers: Readonly<Record<string, string | number>>): unknown;
  flushHeaders(): void;
  /** False: no more until `drain`. */
  write(chunk: Buffer): boolean;
  end(chunk?: string | Buffer, encoding?: BufferEncoding): unknown;
  /** Breaks off: must not look like the end of an answer. */
  destroy(): unknown;
  on(event: 'drain' | 'close', listener: () => void): unknown;
}
