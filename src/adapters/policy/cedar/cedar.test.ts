import { describe, expect, test } from 'vitest';
import { policyContract } from '#adapters/policy/policy.contract.ts';
import type { PolicyCaller, PolicyQuestion } from '#adapters/policy/policy.ts';
import { parseJsonObject } from '#core/json.ts';
import { openCedar } from './cedar.ts';
import { openSlots } from './slots.ts';

const engine = openCedar();

describe('the port', () => {
  policyContract(engine, {
    permitAll: 'permit(principal, action, resource);',
    permitRead: 'permit(principal, action == Action::"call_tool", resource == Tool::"read");',
    forbidReadToSales:
      'forbid(principal, action, resource == Tool::"read") when { principal has claim_dept && principal.claim_dept == "sales" };',
    permitSmall: 'permit(principal, action, resource) when { context.arg_amount < 100 };',
    broken: 'permit(principal, action',
  });
});

interface Given {
  readonly policies: readonly string[];
  readonly options?: Readonly<Record<string, unknown>>;
  readonly onError?: 'deny' | 'skip';
}

const configOf = ({ policies, options = {} }: Given) => ({
  version: '1.0',
  type: 'cedarv1',
  cedar: { policies, entities_json: '[]', ...options },
});

const ada: PolicyCaller = { subject: 'ada', claims: { sub: 'ada' } };
const call: PolicyQuestion = {
  ...{ action: 'call_tool', server: 'github', name: 'weather' },
  ...{ annotations: undefined, args: undefined },
};

function isAllowed(given: Given, asked: Partial<PolicyQuestion> = {}, caller: PolicyCaller = ada): boolean {
  const set = engine.compile(configOf(given), { onError: given.onError ?? 'deny' });
  return set.forCaller(caller).decide({ ...call, ...asked }).allowed;
}
const when = (condition: string): Given => ({
  policies: [`permit(principal, action, resource) when { ${condition} };`],
});
const holds = (condition: string, asked: Partial<PolicyQuestion> = {}, caller: PolicyCaller = ada): boolean =>
  isAllowed(when(condition), asked, caller);
const withClaims = (claims: PolicyCaller['claims']): PolicyCaller => ({ subject: 'ada', claims });

test('the principal is the client that the token names, with every claim, also in the context [S2.18]', () => {
  expect(isAllowed({ policies: ['permit(principal == Client::"ada", action, resource);'] })).toBe(true);
  expect(isAllowed({ policies: ['permit(principal == Client::"bob", action, resource);'] })).toBe(false);
  const caller = withClaims({ sub: 'ada', email: 'ada@acme.example', level: 3, mfa: true, tags: ['a', 'b'] });
  expect(
    holds('principal.claim_email == "ada@acme.example" && context.claim_email like "*@acme.example"', {}, caller),
  ).toBe(true);
  expect(
    holds('principal.claim_level == 3 && context.claim_mfa && principal.claim_tags.contains("b")', {}, caller),
  ).toBe(true);
  expect(
    holds('principal["claim_https://acme.example/team"] == "a"', {}, withClaims({ 'https://acme.example/team': 'a' })),
  ).toBe(true);
});

test('the actions have the names of ToolHive, and one is not another [S2.19]', () => {
  const actions = ['call_tool', 'get_prompt', 'read_resource', 'list_tools', 'list_prompts', 'list_resources'] as const;
  for (const permitted of actions) {
    const policies = [`permit(principal, action == Action::"${permitted}", resource);`];
    for (const action of actions) expect(isAllowed({ policies }, { action })).toBe(action === permitted);
  }
});

test('resources are of their type, lie in their server and have their attributes [S2.20]', () => {
  const named = (type: string) => ({ policies: [`permit(principal, action, resource == ${type});`] });
  expect(isAllowed(named('Tool::"weather"'))).toBe(true);
  expect(isAllowed(named('Prompt::"weather"'))).toBe(false);
  expect(isAllowed(named('Prompt::"weather"'), { action: 'get_prompt' })).toBe(true);
  const uri = 'file:///a b?x=1#y';
  expect(isAllowed(named(`Resource::"${uri}"`), { action: 'read_resource', name: uri })).toBe(true);
  expect(isAllowed(named('Resource::"file:///a_b_x_1_y"'), { action: 'read_resource', name: uri })).toBe(false);
  expect(isAllowed(named('FeatureType::"tool"'), { action: 'list_tools', name: 'tool' })).toBe(true);
  expect(isAllowed({ policies: ['permit(principal, action, resource in MCP::"github");'] })).toBe(true);
  expect(isAllowed({ policies: ['permit(principal, action, resource in MCP::"jira");'] })).toBe(false);
  expect(holds('resource.name == "weather" && resource.operation == "call" && resource.feature == "tool"')).toBe(true);
  expect(holds('resource.uri == "x:y" && resource.name == "x:y"', { action: 'read_resource', name: 'x:y' })).toBe(true);
  expect(holds('action.operation == "call_tool"')).toBe(true);
});

test('annotations of a tool are attributes that never stand over its own [S2.20]', () => {
  const annotations = { readOnlyHint: true, destructiveHint: false, name: 'other', operation: 'x', title: 't' };
  expect(holds('resource.readOnlyHint && !resource.destructiveHint', { annotations })).toBe(true);
  expect(holds('resource has idempotentHint', { annotations })).toBe(false);
  expect(holds('resource.name == "weather" && resource.operation == "call"', { annotations })).toBe(true);
  expect(holds('resource has title', { annotations })).toBe(false);
  expect(holds('resource has readOnlyHint', { annotations: { readOnlyHint: 'yes' } })).toBe(false);
});

test('scalar arguments are there by their value, others only as present [S2.21]', () => {
  const args = parseJsonObject(
    '{"city":"Bern","days":3,"exact":true,"rate":1.5,"list":[1],"more":{"a":1},"none":null}',
  );
  expect(holds('context.arg_city == "Bern" && resource.arg_city == "Bern"', { args })).toBe(true);
  expect(holds('context.arg_days < 4 && context.arg_exact', { args })).toBe(true);
  expect(holds('context.arg_rate.lessThan(decimal("1.6"))', { args })).toBe(true);
  expect(holds('context.arg_list_present && resource.arg_more_present && context.arg_none_present', { args })).toBe(
    true,
  );
  expect(holds('context has arg_list || context has arg_more || context has arg_none', { args })).toBe(false);
  expect(holds('context has arg_city_present || context has arg_other', { args })).toBe(false);
});

test.each([
  ...['1e1000', '"50"', '[50]', '-0', '99.9999999999999999', '"0x32"', '{"__extn":{"fn":"decimal","arg":"1.0"}}'],
  ...['{"__entity":{"type":"Client","id":"ada"}}', '9007199254740993', '1e1', 'null', 'true', '101'],
])('an amount of %s is not below 100, and no argument passes for something else [D10]', (amount) => {
  const args = parseJsonObject(`{"amount":${amount}}`);
  expect(holds('context.arg_amount < 100', { args })).toBe(false);
  const guarded = 'forbid(principal, action, resource) when { context has arg_amount && context.arg_amount >= 100 };';
  const policies = [
    'permit(principal, action, resource) when { context has arg_amount && context.arg_amount < 100 };',
    guarded,
  ];
  expect(isAllowed({ policies }, { args })).toBe(false);
});

test('whole numbers stay whole however they are written', () => {
  for (const text of ['50', '50.0', '50.000'])
    expect(holds('context.arg_amount == 50', { args: parseJsonObject(`{"amount":${text}}`) })).toBe(true);
});

test('groups are a set and parents, from the first of the claims that is there [S2.22]', () => {
  const group = (claims: PolicyCaller['claims'], options = {}, of = 'THVGroup::"eng"') =>
    isAllowed({ policies: [`permit(principal in ${of}, action, resource);`], options }, {}, withClaims(claims));
  expect(holds('principal.claim_groups.contains("eng")', {}, withClaims({ groups: ['eng'] }))).toBe(true);
  expect(group({ groups: ['eng', 'ops'] })).toBe(true);
  expect(group({ groups: 'eng' })).toBe(false);
  expect(group({ roles: ['eng'] })).toBe(true);
  expect(group({ 'cognito:groups': ['eng'] })).toBe(true);
  expect(group({ groups: ['ops'], roles: ['eng'] })).toBe(false);
  // There and empty: that is the answer.
  expect(group({ groups: [], roles: ['eng'] })).toBe(false);
  expect(group({ groups: [1, 2], roles: ['eng'] })).toBe(false);
  const own = { group_claim_name: 'https://acme.example/groups' };
  expect(group({ 'https://acme.example/groups': ['eng'] }, own)).toBe(true);
  expect(group({ 'https://acme.example/groups': [], groups: ['eng'] }, own)).toBe(false);
  expect(group({ groups: ['eng'] }, own)).toBe(true);
  const path = { group_claim_name: 'realm_access.groups', role_claim_name: 'resource_access.app.roles' };
  expect(group({ realm_access: { groups: ['eng'] } }, path)).toBe(true);
  expect(group({ resource_access: { app: { roles: ['eng'] } } }, path)).toBe(true);
  expect(group({ groups: ['eng'] }, { group_entity_type: 'Team' }, 'Team::"eng"')).toBe(true);
  expect(group({ groups: ['eng'] }, { group_entity_type: 'Team' })).toBe(false);
});

test('claims that are one text or several are both, where the configuration names them', () => {
  const options = { multi_valued_claims: ['scp'] };
  const policies = [
    'permit(principal, action, resource) when { principal.claimset_scp.contains("Mail.Read") && context.claim_scp like "User.*" };',
  ];
  for (const scp of ['User.Read Mail.Read', ['User.Read', 'Mail.Read']])
    expect(isAllowed({ policies, options }, {}, withClaims({ scp }))).toBe(true);
  expect(isAllowed({ policies, options }, {}, withClaims({ scp: 'User.Read Mail.ReadWrite' }))).toBe(false);
  expect(isAllowed({ policies, options }, {}, withClaims({}))).toBe(false);
});

test('nothing nested and nothing null of the claims is there, and an entity cannot be smuggled in', () => {
  const caller = withClaims({ deep: { a: 1 }, none: null, evil: { __entity: { type: 'THVGroup', id: 'x' } } });
  expect(holds('principal has claim_deep || principal has claim_none || principal has claim_evil', {}, caller)).toBe(
    false,
  );
  expect(
    holds('principal.claim_list == []', {}, withClaims({ list: [{ __entity: { type: 'A', id: 'b' } }, null] })),
  ).toBe(true);
});

test('what a policy would see otherwise than it is refuses: numbers beyond 2^53, broken text [D10]', () => {
  const permit = 'permit(principal, action, resource);';
  const forbid = 'forbid(principal, action, resource) when { principal has claim_n && principal.claim_n == 1 };';
  expect(isAllowed({ policies: [permit, forbid] }, {}, withClaims({ n: 2 ** 53 }))).toBe(false);
  expect(isAllowed({ policies: [permit] }, {}, withClaims({ n: 2 ** 53 }))).toBe(true);
  expect(isAllowed({ policies: [permit] }, { name: 'a\ud800' })).toBe(false);
  expect(isAllowed({ policies: [permit], onError: 'skip' }, {}, { subject: '', claims: {} })).toBe(false);
});

test('a missing claim refuses the whole request, or skips that policy [S2.24]', () => {
  const policies = [
    'permit(principal, action, resource) when { principal.claim_missing == "x" };',
    'permit(principal, action == Action::"call_tool", resource == Tool::"weather");',
  ];
  expect(isAllowed({ policies })).toBe(false);
  expect(isAllowed({ policies, onError: 'skip' })).toBe(true);
  expect(isAllowed({ policies, onError: 'skip' }, { name: 'other' })).toBe(false);
});

test('entities of the configuration count, written as ToolHive writes them', () => {
  const options = {
    entities_json: JSON.stringify([
      { uid: 'THVGroup::"dev"', attrs: {}, parents: ['THVGroup::eng'] },
      { uid: { type: 'THVGroup', id: 'eng' }, attrs: { level: 2 }, parents: [] },
      { uid: 'Tool::weather', attrs: { owner: 'x', name: 'smuggled' }, parents: [] },
    ]),
  };
  const policies = ['permit(principal in THVGroup::"eng", action, resource) when { resource.name == "weather" };'];
  expect(isAllowed({ policies, options }, {}, withClaims({ groups: ['dev'] }))).toBe(true);
  expect(isAllowed({ policies, options }, {}, withClaims({ groups: ['hr'] }))).toBe(false);
});

test.each([
  [{}, 'version'],
  [{ version: '1.0', type: 'opa', cedar: { policies: ['x'] } }, 'type'],
  [configOf({ policies: [] }), 'at least one policy'],
  [configOf({ policies: ['permit(principal, action, resource'] }), 'policy0'],
  [configOf({ policies: ['permit(principal, action, resource == ?resource);'] }), 'policy0'],
  [configOf({ policies: ['permit(principal,action,resource);'], options: { entities_json: '{' } }), 'entities_json'],
  [
    configOf({ policies: ['permit(principal,action,resource);'], options: { entities_json: '[{"uid":"x"}]' } }),
    'entities_json',
  ],
  [
    configOf({ policies: ['permit(principal,action,resource);'], options: { group_entity_type: 'a::b' } }),
    'group_entity_type',
  ],
  [
    configOf({ policies: ['permit(principal,action,resource);'], options: { group_claim_nme: 'x' } }),
    'group_claim_nme',
  ],
])('a configuration that is wrong is not accepted, and says where: %#', (config, words) => {
  expect(() => engine.compile(config, { onError: 'deny' })).toThrow(words);
});

test('sets beyond those that Cedar holds at once are parsed again, never mistaken for another', () => {
  const small = openCedar(openSlots(2));
  const sets = ['a', 'b', 'c', 'd'].map((name) =>
    small.compile(configOf({ policies: [`permit(principal, action, resource == Tool::"${name}");`] }), {
      onError: 'deny',
    }),
  );
  for (let round = 0; round < 3; round++)
    for (const [i, set] of sets.entries())
      for (const [j, name] of ['a', 'b', 'c', 'd'].entries())
        expect(set.forCaller(ada).decide({ ...call, name }).allowed).toBe(i === j);
});

test('two sets that share a forbidden and a permitted tool across servers ask only what concerns a server', () => {
  const policies = [
    'permit(principal, action, resource in MCP::"github");',
    'forbid(principal, action, resource in MCP::"jira") when { context.arg_x == 1 };',
    'permit(principal, action == Action::"get_prompt", resource) when { resource.arg_y == "1" };',
  ];
  const set = engine.compile(configOf({ policies }), { onError: 'deny' });
  expect(set.reads({ action: 'call_tool', server: 'github' })).toEqual({ arguments: false, annotations: false });
  expect(set.reads({ action: 'call_tool', server: 'jira' }).arguments).toBe(true);
  expect(set.reads({ action: 'get_prompt', server: 'github' }).arguments).toBe(true);
  expect(set.forCaller(ada).decide(call).allowed).toBe(true);
});
