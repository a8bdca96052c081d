/** What policies say of one caller at one endpoint. The rooms know this much of them; Cedar is behind it. */

import type { RightsWish } from '#records/rights.ts';
import type { Endpoint, OrganizationSnapshot } from '#records/snapshot.ts';
import type { Reach } from './reach.ts';

export interface Judge {
  /** Equal for equal answers: the policies, and what they read of the caller. */
  readonly key: string;
  /** False: what they would refuse is only said. */
  readonly isEnforced: boolean;
  /** Never throws: what cannot be judged is refused. */
  permits(wish: RightsWish): boolean;
}

export interface Policies {
  /** Equal where every judge of the organization would answer the same; '' where there is none. */
  keyOf(organization: OrganizationSnapshot, reach: Reach): string;
  /** undefined: no policy is attached to the endpoint, to a server of it, or to the organization. */
  judgeOf(organization: OrganizationSnapshot, endpoint: Endpoint, reach: Reach): Judge | undefined;
}
