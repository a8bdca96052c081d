/** How an organization publishes a server's tools: chosen, renamed, described anew, with rules for their arguments. */
import type { Json } from '#core/json.ts';
import type { EnforcedArguments } from './enforce.ts';

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
  /** With pins: a tool that was never seen is approved at first sight (undefined too), or waits for a person. */
  readonly newTools?: 'approve' | 'hold';
  /** How long calls of a tool may take, in milliseconds; the others have the server's time. */
  readonly timeoutMs?: ReadonlyMap<string, number>;
}

/** What of a binding shapes its tools: a Binding is one. */
export interface Shape {
  readonly shaping: ToolShaping | undefined;
  /** By real tool name. */
  readonly enforced: ReadonlyMap<string, EnforcedArguments>;
}

export interface PublishedAs {
  readonly name?: string;
  readonly title?: string;
  readonly description?: string;
}

/**
 * One of `fixed`, `allowed` and `maximum` may stand with `default`. Where a value is allowed or bounded, the server always
 * gets one: what the caller leaves out becomes `default`, and without one the call is refused.
 */
export interface ArgumentRule {
  /** The value, whatever the caller sends; with `${user.email}` and the like. Not in the published schema. */
  readonly fixed?: Json;
  /** Equal to one of them; a template for a list stands for its items. */
  readonly allowed?: readonly Json[];
  readonly maximum?: number;
  readonly default?: Json;
}

/** What templates stand for: `${user.email}`, `${user.name}`, `${user.id}`, `${user.groups}`, `${org.slug}`, `${claims.x}`. */
export interface TemplateValues {
  readonly user: {
    readonly id?: string | undefined;
    readonly email?: string | undefined;
    readonly name?: string | undefined;
    readonly groups?: readonly string[] | undefined;
  };
  readonly org: { readonly slug: string };
  /** Of the verified token. */
  readonly claims: Readonly<Record<string, unknown>>;
}
