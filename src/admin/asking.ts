/** What administrators ask servers, and what is counted of it: the gateway's own rooms do it. */
import type { OrgId } from '#core/ids.ts';
import type { Json } from '#core/json.ts';
import type { Secret } from '#core/secret.ts';
import type { ServerTransport } from '#core/transport.ts';
import type { Greeting } from './contract/server-tests.ts';

/** A definition that is not saved. */
export interface GreetNew {
  readonly key: string;
  readonly transport: ServerTransport;
  /** undefined: the platform's, whose word the address is. */
  readonly org: OrgId | undefined;
  readonly credential: Secret | undefined;
  readonly header: { readonly name: string; readonly template: string } | undefined;
  readonly partition: string | undefined;
}

export interface GreetSaved {
  readonly org: OrgId;
  readonly server: string;
  readonly collection: string | undefined;
  /** With whose account, where people have their own. */
  readonly userId: string | undefined;
}

export interface ServerAsking {
  /** Never rejects for what the server does: that is in the greeting. */
  greetNew(wish: GreetNew): Promise<Greeting>;
  /** Calls go on at once where it is well. Rejects `not_found` for what is not on. */
  greetSaved(wish: GreetSaved): Promise<Greeting>;
  estimateTokens(value: Json): number;
}
