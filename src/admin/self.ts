/** What the data plane and the authorization server know of people, for routes about them. The composition root hands it in. */
import type { OrgId } from '#core/ids.ts';
import type { JsonObject } from '#core/json.ts';
import type { ShownAccount } from '#records/connected-accounts.ts';
import type { PersonActor } from './actor.ts';
import type { decidingSteps, PolicyCase } from './contract/policies.ts';
import type { AdmittedBy, CallEvent, EndpointAccess, MyAccount, MyEndpoint, MyLimit, MyTool } from './me-nouns.ts';

/** Somebody in one organization. */
export interface Self {
  readonly userId: string;
  readonly org: OrgId;
  readonly from?: PersonActor['from'];
}

export interface MyToolList {
  readonly tools: readonly MyTool[];
  readonly missing: readonly string[];
  readonly stale: readonly string[];
}

export interface SelfCall {
  readonly endpoint: string;
  readonly method: string;
  readonly params: JsonObject;
  readonly era: 'modern' | 'legacy';
  readonly inputResponses: JsonObject | undefined;
  readonly requestState: string | undefined;
  /** Policies' names are for administrators. */
  readonly isAdministrator: boolean;
  readonly hear: (event: CallEvent) => void;
  /** Breaks the call off. */
  readonly signal: AbortSignal | undefined;
}

export interface Standing {
  readonly roles: readonly string[];
  readonly groups: readonly string[];
  readonly isAdministrator: boolean;
}

export interface OpenSession {
  readonly id: string;
  readonly kind: 'call' | 'stream';
  readonly user: string | undefined;
  readonly endpoint: string | undefined;
  readonly client: string | undefined;
  /** Unix milliseconds. */
  readonly at: number;
}

export interface ToolAnswer {
  readonly answer: EndpointAccess['tools'][number]['answer'];
  readonly by: readonly AdmittedBy[];
  readonly policies: readonly string[];
}

/** All reject `not_member` for who is none, or is kept out. */
export interface SelfRooms {
  standing(self: Self): Promise<Standing>;
  endpoints(self: Self): Promise<readonly MyEndpoint[]>;
  /** Also rejects what a call there would be refused with. */
  tools(self: Self, endpoint: string): Promise<MyToolList>;
  /** Of servers where they use an account of their own: without, it is `none`. */
  accounts(self: Self, accounts: readonly ShownAccount[]): Promise<readonly MyAccount[]>;
  limits(self: Self): Promise<readonly MyLimit[]>;
  call(self: Self, call: SelfCall): Promise<void>;
  /** One endpoint, or all of the organization. `tools`: names that are known, by the server's key. */
  access(self: Self, wish: AccessWish): Promise<readonly EndpointAccess[]>;
  /** Rejects `not_found`. */
  answer(self: Self, wish: { readonly endpoint: string; readonly tool: string | undefined }): Promise<ToolAnswer>;
  /** What all but policies says of a case of a policy test. */
  judge(org: OrgId, wish: CaseWish): Promise<CaseAnswer>;
  /** Takes tokens back with the server that gave them, where it can. */
  disconnect(self: Self, account: ShownAccount): Promise<void>;
  sessions(org: OrgId): readonly OpenSession[];
  /** How many were ended. */
  endSessions(org: OrgId, isMeant: (session: OpenSession) => boolean): number;
  /** Our own pages: nobody let them in, and nobody takes that back. */
  isHouse(client: string): boolean;
  /** Of an address of ours: the organization in it; undefined: none, null: not ours. */
  organizationIn(resource: string): string | undefined | null;
}

export interface AccessWish {
  readonly endpoint: string | undefined;
  readonly tools: ReadonlyMap<string, readonly JsonObject[]>;
}

export interface CaseWish {
  /** A member; undefined: whoever has these claims. */
  readonly user: string | undefined;
  readonly claims: Readonly<Record<string, unknown>>;
  readonly endpoint: string;
  readonly server: string;
  readonly action: PolicyCase['action'];
  readonly name: string;
  readonly definition: JsonObject | undefined;
}

export interface CaseAnswer {
  /** undefined: nothing but policies could refuse it. */
  readonly step: Exclude<(typeof decidingSteps)[number], 'policy'> | undefined;
  readonly by: readonly AdmittedBy[];
  /** That is used up. */
  readonly limit?: string;
}
