/**
 * The port to a policy language: who may use which tool, prompt or resource of a server (REQUIREMENTS S2.17 to S2.24). A
 * set is compiled once and asked often; everything here is synchronous and nothing here does I/O.
 */
import type { JsonObject } from '#core/json.ts';

export interface PolicyEngine {
  /** Throws `PolicyProblem` where the configuration is wrong or a policy cannot be parsed. */
  compile(config: unknown, options: CompileOptions): PolicySet;
  /** What a person should hear before it is saved. Never throws. */
  check(config: unknown, known: KnownServers): PolicyReport;
  /** Policies written as text, as a configuration. Throws `PolicyProblem`. */
  configOf(text: string): JsonObject;
}

export interface CompileOptions {
  /** Of a policy that could not be evaluated: `deny` refuses the request, `skip` goes on without that policy. */
  readonly onError: 'deny' | 'skip';
}

/** Its message is for whoever wrote the policies. */
export class PolicyProblem extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'PolicyProblem';
  }
}

export interface PolicySet {
  /** The set, for one caller. Never throws. */
  forCaller(caller: PolicyCaller): CallerPolicies;
  /** Whether decisions about such a thing can depend on arguments, or on annotations. */
  reads(about: Pick<PolicyQuestion, 'action' | 'server'>): PolicyReads;
}

export interface PolicyReads {
  readonly arguments: boolean;
  readonly annotations: boolean;
}

export interface PolicyCaller {
  /** `sub` of the token. */
  readonly subject: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

export interface CallerPolicies {
  /** Equal for callers whom the set cannot tell apart. */
  readonly key: string;
  /** Never throws: what cannot be decided is refused. */
  decide(question: PolicyQuestion): PolicyDecision;
}

export type PolicyAction =
  | 'call_tool'
  | 'get_prompt'
  | 'read_resource'
  | 'list_tools'
  | 'list_prompts'
  | 'list_resources';

export interface PolicyQuestion {
  readonly action: PolicyAction;
  /** Key of the server. */
  readonly server: string;
  /** Its own name of the tool or prompt, URI of the resource, or `tool`, `prompt`, `resource` of lists. */
  readonly name: string;
  /** Of the tool, as the server lists it. */
  readonly annotations: JsonObject | undefined;
  readonly args: JsonObject | undefined;
}

export interface PolicyDecision {
  readonly allowed: boolean;
  /** Ids of the policies that decided. */
  readonly policies: readonly string[];
  /** Why it was not decided; for the log and for whoever wrote the policies, never for the caller. */
  readonly errors: readonly string[];
}

/** What the servers that a set is attached to are known to have. */
export interface KnownServers {
  readonly servers: readonly {
    readonly key: string;
    /** Definitions as the server lists them; undefined: not known. */
    readonly tools: readonly JsonObject[] | undefined;
  }[];
}

export interface PolicyReport {
  /** It cannot be saved. */
  readonly errors: readonly string[];
  /** It can, but perhaps it says something else than was meant. */
  readonly warnings: readonly string[];
}

/** Adapters need nothing. */
export type PolicyDeps = Readonly<Record<never, never>>;
