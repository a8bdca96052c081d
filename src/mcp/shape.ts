/** How an organization publishes a server's tools: chosen, renamed, described anew, with rules for their arguments. */

/** Tools by the server's own names. */
export interface ToolShaping {
  /** Published ones; undefined: all. */
  readonly choose: ReadonlySet<string> | undefined;
  readonly hide: ReadonlySet<string>;
  readonly rename: ReadonlyMap<string, PublishedAs>;
  /** By tool, then by argument. */
  readonly rules: ReadonlyMap<string, ReadonlyMap<string, ArgumentRule>>;
  /** By tool or `*`: paths in results that are taken out. */
  readonly redact: ReadonlyMap<string, readonly string[]>;
  /** Calls that ask the person first. */
  readonly confirm: 'never' | 'destructive' | ReadonlySet<string>;
  /** What happens to a tool whose definition is no longer the approved one. */
  readonly pins: 'off' | 'hold' | 'block';
}

export interface PublishedAs {
  readonly name?: string;
  readonly title?: string;
  readonly description?: string;
}

export interface ArgumentRule {
  /** The value, whatever the caller sends; with `${user.email}` and the like. Not in the published schema. */
  readonly fixed?: unknown;
  readonly allowed?: readonly unknown[];
  readonly maximum?: number;
  readonly default?: unknown;
}
