import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openCedar } from '#adapters/policy/cedar/cedar.ts';
import { asBindingId, asKeyId, asOrgId, asPolicyId, asServerId } from '#core/ids.ts';
import { type JsonObject, objectIn, parseJsonObject } from '#core/json.ts';
import { silentLog } from '#core/log.ts';
import { principalKey, type UserPrincipal } from '#core/principal.ts';
import type { PolicyNote } from '#records/call-record.ts';
import { noHoldings } from '#records/holdings.ts';
import type { RightsWish } from '#records/rights.ts';
import type { Binding, Endpoint, Group, OrganizationSnapshot, PolicySource } from '#records/snapshot.ts';
import { openPolicies } from './open-policies.ts';
import { policyCaller } from './policy-caller.ts';
import type { Reach } from './reach.ts';

const engine = openCedar();
const policies = openPolicies({ engine, log: silentLog });

const user = (claims: JsonObject, more: Partial<UserPrincipal> = {}): UserPrincipal => ({
  ...{ kind: 'user', key: principalKey('i', 'ada'), issuer: 'i', subject: 'ada', claims, expiresAt: 9e15 },
  ...more,
});
const reachFor = (principal: Reach['principal'], more: Partial<Reach> = {}): Reach => ({
  ...{ principal, roles: [], endpoints: undefined, holdings: noHoldings, groups: [] },
  ...{ isAdmin: false, isLive: false, key: '' },
  ...more,
});
const ada = (claims: JsonObject = {}, more: Partial<Reach> = {}) => reachFor(user(claims), more);

const binding = (key: string): Binding => ({
  id: asBindingId(`b-${key}`),
  server: {
    ...{ id: asServerId(`s-${key}`), key, title: key, org: undefined, trusted: false, enabled: true },
    transport: { kind: 'http', url: 'http://u' },
    ...{ blockedTools: new Set(), totalTimeoutMs: undefined },
  },
  ...{ partition: undefined, credential: undefined, enforced: new Map(), prefix: undefined, shaping: undefined },
});
const endpointOf = (...keys: readonly string[]): Endpoint => ({
  ...{ id: 'e', name: 'e', kind: 'collection', allowedRoles: '*', grants: new Map() },
  bindings: keys.map(binding),
  listing: { names: 'prefixed', mode: 'full', tokenBudget: 1 },
});
let ids = 0;
const source = (texts: readonly string[], more: Partial<PolicySource> = {}): PolicySource => ({
  ...{ id: asPolicyId(`p${ids++}`), name: 'set', version: 3, target: { kind: 'organization' } },
  config: { version: '1.0', type: 'cedarv1', cedar: { policies: texts } },
  ...{ onError: 'deny', mode: 'enforce' },
  ...more,
});
const snapshotOf = (...sources: readonly PolicySource[]): OrganizationSnapshot => ({
  ...{ id: asOrgId('o'), slug: 'acme', externalId: 'org_1', name: 'Acme', version: 1, endpoints: new Map() },
  ...{ groups: new Map(), policies: sources, routes: [], limits: [] },
});

const wishFor = (endpoint: Endpoint, wish: Partial<RightsWish> & { readonly server?: string } = {}): RightsWish => {
  const { server, ...rest } = wish;
  const found = endpoint.bindings.find((one) => one.server.key === server) ?? endpoint.bindings[0];
  if (!found) throw new Error('no binding');
  return { action: 'call_tool', binding: found, name: 'read', definition: { name: 'read' }, args: {}, ...rest };
};

const files = endpointOf('files', 'jira');
const permits = (sources: readonly PolicySource[], wish: Parameters<typeof wishFor>[1] = {}, reach = ada()): boolean =>
  policies.judgeOf(snapshotOf(...sources), files, reach)?.permits(wishFor(files, wish)) ?? true;
const all = 'permit(principal, action, resource);';

describe('what is asked', () => {
  test('nobody is asked where nothing is attached', () => {
    expect(policies.judgeOf(snapshotOf(), files, ada())).toBeUndefined();
    expect(policies.keyOf(snapshotOf(), ada())).toBe('');
    const elsewhere = [
      source([all], { target: { kind: 'server', id: asServerId('s-other') } }),
      source([all], { target: { kind: 'collection', id: 'other' } }),
    ];
    expect(policies.judgeOf(snapshotOf(...elsewhere), files, ada())).toBeUndefined();
  });

  test('every set that is attached must permit, a server’s only for that server [S2.39] [S2.23]', () => {
    const read = source(['permit(principal, action, resource == Tool::"read");']);
    const jira = source(['permit(principal, action, resource == Tool::"write");'], {
      target: { kind: 'server', id: asServerId('s-jira') },
    });
    const here = source([all], { target: { kind: 'collection', id: 'e' } });
    expect(permits([read, jira, here])).toBe(true);
    expect(permits([read, jira, here], { server: 'jira' })).toBe(false);
    expect(permits([jira], { server: 'jira', name: 'write' })).toBe(true);
    expect(permits([jira], { server: 'files', name: 'anything' })).toBe(true);
  });

  test('what only logs refuses nothing, says so, and does not make methods unknown', () => {
    const logs = source(['permit(principal, action, resource == Tool::"other");'], { mode: 'log' });
    const notes: PolicyNote[] = [];
    expect(permits([logs], { tell: (note) => notes.push(note) })).toBe(true);
    expect(notes).toEqual([{ outcome: 'would_deny', sets: ['set@3'], policies: [], errors: [] }]);
    expect(policies.judgeOf(snapshotOf(logs), files, ada())?.isEnforced).toBe(false);
  });

  test('a decision says which policies of which version decided, and why one could not [D11] [D12]', () => {
    const notes: PolicyNote[] = [];
    const tell = (note: PolicyNote) => notes.push(note);
    permits([source([`@id("reads") ${all}`])], { tell });
    permits([source([all, 'forbid(principal, action, resource) when { principal.claim_x };'])], { tell });
    permits([source(['broken('])], { tell });
    expect(notes).toEqual([
      { outcome: 'permit', sets: ['set@3'], policies: ['set:reads'], errors: [] },
      { outcome: 'deny', sets: ['set@3'], policies: ['set:policy0'], errors: [expect.stringContaining('claim_x')] },
      { outcome: 'deny', sets: ['set@3'], policies: [], errors: ['set: the policies cannot be compiled'] },
    ]);
    // A list is nobody's call.
    permits([source([all])], { tell, args: undefined });
    expect(notes).toHaveLength(3);
  });

  test('where annotations decide, a tool that nobody described is refused, even by a guarded forbid', () => {
    const guarded = source([
      all,
      'forbid(principal, action, resource) when { resource has destructiveHint && resource.destructiveHint };',
    ]);
    expect(permits([guarded], { definition: { name: 'read' } })).toBe(true);
    expect(permits([guarded], { definition: undefined })).toBe(false);
    expect(permits([guarded], { definition: { annotations: { destructiveHint: true } } })).toBe(false);
    expect(permits([source([all])], { definition: undefined })).toBe(true);
  });

  test('another version of a set is another answer at once [D12]', () => {
    const before = source([all]);
    const after = { ...before, version: 4, config: source(['forbid(principal, action, resource);']).config };
    expect(permits([before])).toBe(true);
    expect(permits([after])).toBe(false);
    expect(policies.keyOf(snapshotOf(before), ada())).not.toBe(policies.keyOf(snapshotOf(after), ada()));
  });

  test('the same set of another organization shares no decision', () => {
    const one = source(['permit(principal, action, resource) when { principal.claim_org == "acme" };']);
    const other = { ...snapshotOf(one), id: asOrgId('o2'), slug: 'other' };
    expect(permits([one])).toBe(true);
    expect(policies.judgeOf(other, files, ada())?.permits(wishFor(files))).toBe(false);
  });
});

describe('who asks', () => {
  const group = (name: string, externalId?: string): Group => ({
    ...{ id: name as Group['id'], name, externalId, builtin: false },
  });
  const organization = snapshotOf();

  test('an API key is a principal with its name, roles and groups [S2.18]', () => {
    const key = {
      kind: 'api-key',
      key: principalKey('', 'k'),
      keyId: asKeyId('k1'),
      name: 'CI',
      org: organization.id,
    } as const;
    const reach = reachFor({ ...key, roles: ['ci'] }, { roles: ['ci'], groups: [group('builders', 'ext')] });
    expect(policyCaller(organization, reach)).toEqual({
      subject: 'key:k1',
      claims: { sub: 'key:k1', name: 'CI', org: 'acme', roles: ['ci'], groups: ['builders', 'ext'] },
    });
  });

  test('a token of another issuer has exactly its own claims, and live ones only where it says nothing', () => {
    const told = { sub: 'ada', groups: ['g1'], tid: 't' };
    expect(policyCaller(organization, ada(told, { roles: ['x'] })).claims).toEqual({ ...told, org: 'acme' });
    expect(policyCaller(organization, ada({ groups: [], roles: ['r'] })).claims).toMatchObject({
      groups: [],
      roles: ['r'],
    });
    expect(policyCaller(organization, ada({ sub: 'ada' }, { roles: ['x'] })).claims).toEqual({
      ...{ sub: 'ada', org: 'acme', roles: ['x'], groups: [] },
    });
  });

  test('our own tokens say nothing of roles and groups: those are read live', () => {
    const claims = { sub: 'ada', roles: ['stale'], groups: ['stale'], org: 'stale', scope: 'mcp:read' };
    const principal = user(claims, { email: 'ada@acme.example', name: 'Ada' });
    const holdings = { ...noHoldings, named: ['directory-id'] };
    const reach = reachFor(principal, { isLive: true, roles: ['now'], groups: [group('eng')], holdings });
    expect(policyCaller(organization, reach).claims).toEqual({
      ...{ sub: 'ada', email: 'ada@acme.example', name: 'Ada', org: 'acme', scope: 'mcp:read' },
      ...{ roles: ['now'], groups: ['eng', 'directory-id'] },
    });
  });

  test('what a token says of its people in another organization says nothing here', () => {
    const claims = {
      org_id: 'org_2',
      org_role: 'admin',
      roles: ['admin'],
      groups: ['admins'],
      permissions: ['all'],
      email: 'e',
    };
    const reach = reachFor(user(claims, { organization: 'org_2' }), { roles: ['viewer'] });
    expect(policyCaller(organization, reach).claims).toEqual({
      ...{ sub: 'ada', email: 'e', org: 'acme', roles: ['viewer'], groups: [] },
    });
    const here = reachFor(user(claims, { organization: 'org_1' }), { roles: ['viewer'] });
    expect(policyCaller(organization, here).claims).toMatchObject({ roles: ['admin'], groups: ['admins'] });
  });
});

describe('for any policies and requests', () => {
  const names = fc.constantFrom('read', 'write', 'drop');
  const condition = fc.constantFrom(
    ...['true', 'principal has claim_dept && principal.claim_dept == "a"', 'principal.claim_dept == "b"'],
    ...[
      'context.arg_n < 5',
      'context has arg_n && context.arg_n > 2',
      'resource has readOnlyHint && resource.readOnlyHint',
    ],
    ...[
      'principal in THVGroup::"g1"',
      'resource.name like "r*"',
      'resource in MCP::"jira"',
      'principal == Client::"ada"',
    ],
    ...['context.claim_groups.contains("g2")', 'action == Action::"call_tool"', 'resource has arg_list_present'],
  );
  const scope = fc.constantFrom(
    ...['principal, action, resource', 'principal, action == Action::"call_tool", resource'],
    ...['principal, action, resource == Tool::"write"', 'principal, action, resource in MCP::"files"'],
    ...[
      'principal is Client in THVGroup::"g2", action, resource',
      'principal, action in [Action::"get_prompt"], resource',
    ],
  );
  const policy = fc
    .tuple(fc.constantFrom('permit', 'permit', 'forbid'), scope, condition)
    .map(([effect, head, when]) => `${effect}(${head}) when { ${when} };`);
  const asJson = (value: unknown) => (value === undefined ? undefined : parseJsonObject(JSON.stringify(value)));
  const claimsOf = fc.record(
    { dept: fc.constantFrom('a', 'b', 7), groups: fc.subarray(['g1', 'g2']), sub: fc.constant('ada') },
    { requiredKeys: [] },
  );
  const claims = claimsOf.map((value) => asJson(value) ?? {});
  const wish = fc
    .record({
      action: fc.constantFrom('call_tool', 'get_prompt', 'read_resource' as const),
      server: fc.constantFrom('files', 'jira'),
      name: names,
      args: fc.option(fc.record({ n: fc.constantFrom(1, 3, 9, '1'), list: fc.constant([]) }, { requiredKeys: [] }), {
        nil: undefined,
      }),
      definition: fc.option(fc.record({ annotations: fc.record({ readOnlyHint: fc.boolean() }) }), { nil: undefined }),
    })
    .map(({ args, definition, ...rest }) => ({ ...rest, args: asJson(args), definition: asJson(definition) }));
  const given = fc.record({
    texts: fc.array(policy, { minLength: 1, maxLength: 4 }),
    onError: fc.constantFrom('deny', 'skip' as const),
    requests: fc.array(fc.tuple(claims, wish), { minLength: 1, maxLength: 12 }),
  });

  test('what is kept, and what is asked of a part of the set, is what all of it says anew [D6]', () => {
    fc.assert(
      fc.property(given, ({ texts, onError, requests }) => {
        const organization = snapshotOf(source(texts, { onError }));
        // Entities that nobody names: the set is then asked whole, with every attribute of it.
        const entities_json = '[{"uid":{"type":"Nobody","id":"x"},"attrs":{},"parents":[]}]';
        const config = { version: '1.0', type: 'cedarv1', cedar: { policies: texts, entities_json } };
        for (const [who, asked] of [...requests, ...requests]) {
          const reach = ada(who);
          const kept = policies.judgeOf(organization, files, reach)?.permits(wishFor(files, asked));
          const set = engine.compile(config, { onError });
          const { action, server, name, args, definition } = asked;
          const about = { action, server } as const;
          const isBlind = action === 'call_tool' && set.reads(about).annotations && !definition && readsHints(texts);
          const fresh = set.forCaller(policyCaller(organization, reach)).decide({
            ...{ action, server, name, args },
            annotations: objectIn(definition, 'annotations'),
          });
          if (isBlind) expect(kept === true && !fresh.allowed).toBe(false);
          else expect(kept).toBe(fresh.allowed);
        }
      }),
      { numRuns: 60 },
    );
  });
  const readsHints = (texts: readonly string[]) => texts.some((text) => text.includes('Hint'));

  test('a tool is listed exactly where a call of it without arguments is permitted [D6]', () => {
    fc.assert(
      fc.property(given, ({ texts, onError, requests }) => {
        const organization = snapshotOf(source(texts, { onError }));
        for (const [who, asked] of requests) {
          const judge = policies.judgeOf(organization, files, ada(who));
          const listed = judge?.permits(wishFor(files, { ...asked, args: undefined }));
          expect(judge?.permits(wishFor(files, { ...asked, args: {} }))).toBe(listed);
        }
      }),
      { numRuns: 60 },
    );
  });
});

test('a list of 200 tools is filtered within a millisecond once it was', () => {
  const texts = [
    ...Array.from(
      { length: 55 },
      (_, i) => `permit(principal in THVGroup::"g${i}", action, resource == Tool::"tool-${i}");`,
    ),
    'permit(principal, action == Action::"call_tool", resource) when { resource has readOnlyHint && resource.readOnlyHint };',
  ];
  const organization = snapshotOf(source(texts));
  const claims = { sub: 'ada', groups: Array.from({ length: 20 }, (_, i) => `g${i}`), email: 'ada@acme.example' };
  const wishes = Array.from({ length: 200 }, (_, i) =>
    wishFor(files, { name: `tool-${i}`, definition: { annotations: { readOnlyHint: i % 2 === 0 } }, args: undefined }),
  );
  const filter = () => {
    const judge = policies.judgeOf(organization, files, ada(claims));
    return wishes.filter((wish) => judge?.permits(wish)).length;
  };
  expect(filter()).toBe(110);
  const times = Array.from({ length: 40 }, () => {
    const since = performance.now();
    filter();
    return performance.now() - since;
  });
  expect(Math.min(...times)).toBeLessThan(1);
});
