/** What the admin API needs to import OpenAPI documents: who reads one, and who fetches it. */
export interface OpenApiImport {
  /** Throws `bad_request` with what is wrong with the document. */
  readonly read: (text: string, reading: OpenApiReading) => Promise<ReadOpenApi>;
  /** Through the egress guard, bounded in size and time. Throws `bad_request` for an address that may not be reached. */
  readonly fetch: (url: string) => Promise<string>;
}

export interface OpenApiChoice {
  readonly tags?: readonly string[] | undefined;
  readonly methods?: readonly string[] | undefined;
  readonly include?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
  readonly deprecated?: boolean | undefined;
}

export interface OpenApiReading {
  /** Left out: the one that the document was stored with, or everything that isn't deprecated. */
  readonly selection?: OpenApiChoice | undefined;
  /** Where the text was fetched. */
  readonly at?: string | undefined;
}

export interface ReadOpenApi {
  /** What is stored; `digest`: its SHA-256, hexadecimal. */
  readonly text: string;
  readonly digest: string;
  readonly title: string;
  readonly version: string;
  readonly url: string | undefined;
  readonly schemes: readonly { readonly name: string; readonly kind: string }[];
  /** `hash` and `bytes`: of the whole definition. */
  readonly tools: readonly {
    readonly name: string;
    readonly operation: string;
    readonly title: string;
    readonly hash: string;
    readonly bytes: number;
  }[];
  readonly leftOut: readonly { readonly operation: string; readonly reason: string }[];
  readonly selection: OpenApiChoice;
}
