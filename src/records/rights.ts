/** Words for what somebody may use of an endpoint. `gateway/rights/` decides; everything else asks. */
import type { JsonObject } from '#core/json.ts';
import type { PolicyNote } from './call-record.ts';
import type { Binding } from './snapshot.ts';

/** Tools of a server by its own names; `'*'`: all it has, prompts and resources too. */
export type ToolGrant = '*' | ReadonlySet<string>;

/** `complete`: arguments of a prompt or resource that are being written; `any`: whatever else names an item. */
export type RightsAction = 'call_tool' | 'get_prompt' | 'read_resource' | 'complete';

export interface RightsWish {
  readonly action: RightsAction;
  /** As the endpoint has it. */
  readonly binding: Binding;
  /** The server's own name of the tool or prompt, or URI of the resource. */
  readonly name: string;
  /** As the server lists it, where that is known: annotations are read from it. */
  readonly definition: JsonObject | undefined;
  /** As they go to the server; undefined: nothing is called, it is only to be listed. */
  readonly args: JsonObject | undefined;
  /** Hears what policies say, where any is asked. */
  readonly tell?: ((note: PolicyNote) => void) | undefined;
}

/** `grant`: nothing gives it; `blocked`: switched off; `policy`: a policy forbids it, or none permits it. */
export type RightsAnswer = 'allow' | 'grant' | 'blocked' | 'policy';

export interface Rights {
  decide(wish: RightsWish): RightsAnswer;
  /** Whether a policy is attached: methods that policies know no word for are refused then (REQUIREMENTS S2.25). */
  readonly hasPolicy: boolean;
  /** Equal where every decision is. */
  readonly key: string;
}
