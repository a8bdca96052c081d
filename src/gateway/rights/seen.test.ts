import { describe, expect, test } from 'vitest';
import { asGroupId, asKeyId, asOrgId, asServerId } from '#core/ids.ts';
import { principalKey } from '#core/principal.ts';
import type { Caller } from '#gateway/identify.ts';
import { bindingOf } from '#kit/peers.ts';
import { type Holdings, noHoldings } from '#records/holdings.ts';
import type { RightsWish, ToolGrant } from '#records/rights.ts';
import {
  type Endpoint,
  type Group,
  type OrganizationSnapshot,
  plainListing,
  type ServerDefinition,
} from '#records/snapshot.ts';
import type { Policies } from './policies.ts';
import { reachOf } from './reach.ts';
import { joinRights, seeEndpoint } from './seen.ts';

const group = (name: string, more: Partial<Group> = {}): Group => ({
  ...{ id: asGroupId(name), name, externalId: undefined, builtin: false },
  ...more,
});
const groups = [group('MCP-Admin', { builtin: true }), group('Readers'), group('Writers')];
const server: ServerDefinition = {
  ...{ id: asServerId('s'), key: 's', title: 'S', org: undefined, trusted: false, enabled: true },
  transport: { kind: 'http', url: 'http://127.0.0.1:1/' },
  ...{ totalTimeoutMs: undefined, blockedTools: new Set() },
};
const binding = bindingOf(1, server);

const endpointOf = (more: Partial<Endpoint> = {}): Endpoint => ({
  ...{ id: 's', name: 's', kind: 'server', allowedRoles: [], bindings: [binding], listing: plainListing },
  grants: new Map(),
  ...more,
});
const organization: OrganizationSnapshot = {
  ...{ id: asOrgId('o'), slug: 'acme', externalId: undefined, name: 'Acme', version: 1, endpoints: new Map() },
  groups: new Map(groups.map((one) => [one.id, one])),
  ...{ policies: [], routes: [], limits: [] },
};
const caller: Caller = {
  principal: {
    ...{ kind: 'api-key', key: principalKey('k', 'k'), keyId: asKeyId('k'), name: 'k', org: organization.id },
    roles: [],
  },
  provider: undefined,
};
const open: Policies = { keyOf: () => '', judgeOf: () => undefined };

interface Who {
  readonly in?: readonly string[];
  readonly roles?: readonly string[];
  readonly own?: ToolGrant;
  readonly policies?: Policies;
}

function see(endpoint: Endpoint, { in: names = [], roles = [], own, policies = open }: Who) {
  const holdings: Holdings = {
    ...noHoldings,
    groups: new Set(names.map(asGroupId)),
    grants: new Map(own === undefined ? [] : [[endpoint.id, own]]),
    key: JSON.stringify([names, own === '*' ? own : [...(own ?? [])]]),
  };
  const reach = reachOf(organization, { caller, roles, endpoints: undefined, holdings });
  return seeEndpoint(organization, endpoint, { reach, policies });
}

const call = (name: string, more: Partial<RightsWish> = {}): RightsWish => ({
  ...{ action: 'call_tool', binding, name, definition: undefined, args: {} },
  ...more,
});

describe('an endpoint as its caller sees it', () => {
  test('is closed to whoever has no role and no grant: an empty list means nobody', () => {
    expect(see(endpointOf(), {})).toBeUndefined();
    expect(see(endpointOf({ allowedRoles: ['reader'] }), { roles: ['writer'], in: ['Readers'] })).toBeUndefined();
  });

  test('is the very endpoint to whoever may use all of it, by role, by group, by their own grant', () => {
    const endpoint = endpointOf({ allowedRoles: ['reader'], grants: new Map([[asGroupId('Readers'), '*']]) });
    for (const who of [{ roles: ['reader'] }, { in: ['Readers'] }, { own: '*' }] as const)
      expect(see(endpoint, who)).toBe(endpoint);
  });

  test('shows the tools of all grants together, and none of its prompts and resources', () => {
    const endpoint = endpointOf({ grants: new Map([[asGroupId('Readers'), new Set(['read'])]]) });
    const rights = see(endpoint, { in: ['Readers', 'Writers'], own: new Set(['write']) })?.rights;
    expect(['read', 'write', 'remove'].map((name) => rights?.decide(call(name)))).toEqual(['allow', 'allow', 'grant']);
    expect(rights?.decide(call('read', { action: 'get_prompt' }))).toBe('grant');
    expect(rights?.decide(call('read', { action: 'read_resource' }))).toBe('grant');
  });

  test('is whole to MCP-Admin, but for what is switched off and what a policy forbids', () => {
    const blocking = endpointOf({ bindings: [{ ...binding, server: { ...server, blockedTools: new Set(['drop']) } }] });
    const [its] = blocking.bindings;
    const rights = see(blocking, { in: ['MCP-Admin'] })?.rights;
    expect(its && rights?.decide(call('drop', { binding: its }))).toBe('blocked');
    expect(its && rights?.decide(call('read', { binding: its }))).toBe('allow');
    const forbidding: Policies = {
      keyOf: () => 'p',
      judgeOf: () => ({ key: 'p', isEnforced: true, permits: () => false }),
    };
    expect(see(endpointOf(), { in: ['MCP-Admin'], policies: forbidding })?.rights?.decide(call('read'))).toBe('policy');
  });

  test('is one object for callers who see the same', () => {
    const endpoint = endpointOf({ grants: new Map([[asGroupId('Readers'), new Set(['read'])]]) });
    expect(see(endpoint, { in: ['Readers'] })).toBe(see(endpoint, { in: ['Readers', 'Writers'] }));
  });

  test('among others answers for its own bindings only', () => {
    const rights = joinRights([
      see(endpointOf({ grants: new Map([[asGroupId('Readers'), new Set(['read'])]]) }), { in: ['Readers'] }) ??
        endpointOf(),
    ]);
    expect(rights?.decide(call('read'))).toBe('allow');
    expect(rights?.decide(call('read', { binding: bindingOf(2, server) }))).toBe('grant');
  });
});
