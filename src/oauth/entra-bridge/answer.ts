export interface OauthAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: Readonly<Record<string, unknown>>;
}

/** RFC 6749 5.2. */
export function refusal(status: number, error: string, description: string): OauthAnswer {
  return { status, body: { error, error_description: description } };
}

/** The first parameter that is there more than once, which none may be (RFC 6749 3.1, 3.2). */
export function findRepeated(parameters: URLSearchParams, except: readonly string[]): string | undefined {
  // A body has room for thousands of names: each is looked at once.
  const seen = new Set<string>();
  for (const name of parameters.keys()) {
    if (seen.has(name) && !except.includes(name)) return name;
    seen.add(name);
  }
  return undefined;
}
