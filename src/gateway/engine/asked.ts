/** What the engine was handed. */
import type { JsonObject } from '#core/json.ts';
import type { Principal } from '#core/principal.ts';
import type { Received } from '#gateway/call.ts';
import type { View } from '#gateway/catalog/view.ts';
import type { Reach } from '#gateway/rights/reach.ts';
import type { Session, SessionOwner } from '#gateway/session.ts';
import type { OrganizationSnapshot } from '#records/snapshot.ts';
import type { Reply } from './reply.ts';

export interface EngineAsked {
  readonly call: Received;
  readonly reply: Reply;
  readonly principal: Principal;
  readonly organization: OrganizationSnapshot;
  readonly view: View;
  readonly reach: Reach;
  readonly session: Session | undefined;
  readonly message: JsonObject | undefined;
}

/** Of sessions that are the gateway's own. */
export function ownerOf({ principal, organization, view }: EngineAsked): SessionOwner {
  return { principal: principal.key, org: organization.id, endpoint: view.endpoint.id, server: '' };
}
