/** An organization in memory with one endpoint of one server, and a caller with a key. */
import { asBindingId, asKeyId, asOrgId, asServerId } from '#core/ids.ts';
import { principalKey } from '#core/principal.ts';
import type { Caller } from '#gateway/identify.ts';
import { type OrganizationSnapshot, plainListing } from '#records/snapshot.ts';

export const org = asOrgId('0197a000-0000-7000-8000-000000000001');
export const caller: Caller = {
  principal: { kind: 'api-key', key: principalKey('k', '1'), keyId: asKeyId('1'), name: 'k', org, roles: [] },
  provider: undefined,
};
export const server = {
  ...{ id: asServerId('s'), key: 'tools', title: 'Tools', org: undefined },
  transport: { kind: 'http', url: 'http://127.0.0.1:1/' },
  ...{ trusted: false, enabled: true, totalTimeoutMs: undefined },
  blockedTools: new Set<string>(),
} as const;
export const snapshot: OrganizationSnapshot = {
  id: org,
  slug: 'demo',
  externalId: undefined,
  name: 'Demo',
  version: 1,
  ...{ groups: new Map(), policies: [], routes: [], limits: [] },
  endpoints: new Map([
    [
      'tools',
      {
        id: 'e',
        name: 'tools',
        kind: 'collection',
        allowedRoles: '*',
        grants: new Map(),
        bindings: [
          {
            ...{ id: asBindingId('b'), server, partition: undefined, credential: undefined, enforced: new Map() },
            ...{ prefix: undefined, shaping: undefined },
          },
        ],
        listing: plainListing,
      },
    ],
  ]),
};
