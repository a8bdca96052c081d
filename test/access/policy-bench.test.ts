/** A test of policies says what a call would come to, and by which step; policies alone are what tests of them expect. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { contract } from '#admin/contract.ts';
import { exampleTools, tell } from '#kit/portal-data.ts';
import { type PortalBrowser, type PortalWorld, startPortalWorld } from '#kit/portal-world.ts';
import { startToolServer, type ToolServer } from '#kit/tool-server.ts';

const acme = '/organizations/acme';
const endOf = z.object({ items: z.array(z.record(z.string(), z.unknown())) });

let t: PortalWorld;
let upstream: ToolServer;
let ada: PortalBrowser;
let bob: PortalBrowser;
let root: PortalBrowser;
const ids: Record<string, string> = {};

beforeAll(async () => {
  upstream = await startToolServer({ era: 'modern' });
  upstream.tools = exampleTools;
  t = await startPortalWorld({ yaml: "egress: { allow: ['127.0.0.1'] }\n" });
  [ada, bob, root] = [await t.enter('ada'), await t.enter('bob'), await t.enter('root')];
  for (const { id, username } of await t.database.sql('select id, username from gateway.users'))
    ids[String(username)] = String(id);
  await tell(root, 'POST /servers', { key: 'tracker', transport: { kind: 'http', url: upstream.url } });
  await tell(root, `PUT ${acme}/servers/tracker/enablement`, {});
  await tell(ada, `POST ${acme}/groups`, { name: 'team' });
  await tell(ada, `POST ${acme}/groups/team/members`, { user: ids.bob });
  await tell(ada, `PUT ${acme}/grants`, { group: 'team', server: 'tracker', tools: ['search_issues'] });
}, 120_000);
afterAll(async () => {
  await t?.close();
  await upstream?.close();
});

type Case = z.input<typeof contract.testPolicies.input>['cases'][number];
const search: Case = { server: 'tracker', resource: 'search_issues' };

async function outcomeOf(one: Partial<Case>, draft?: object) {
  const body = { cases: [{ ...search, ...one }], ...(draft && { draft: { name: 'draft', ...draft } }) };
  const answer = contract.testPolicies.output.parse(await tell(ada, `POST ${acme}/policy-tests`, body));
  const [result] = answer.results;
  return { policies: result?.decision, ...result?.outcome };
}

/** What the call itself comes to. */
async function called(name: string): Promise<unknown> {
  const params = { name, arguments: { query: 'x', title: 'x' } };
  const body = { endpoint: 'tracker', method: 'tools/call', params };
  const { items } = endOf.parse(await tell(bob, `POST ${acme}/me/call`, body));
  const decision = z.object({ outcome: z.string() }).parse(items.at(-1)?.decision);
  return decision.outcome === 'allowed' ? 'permit' : 'deny';
}

/** Both say the same, once the change has arrived. */
async function same(name: string, wanted: object): Promise<void> {
  const both = async () => {
    const found = await outcomeOf({ user: ids.bob, resource: name });
    return [found, await called(name)];
  };
  const decision = 'decision' in wanted ? wanted.decision : undefined;
  await expect.poll(both, { timeout: 3000 }).toEqual([expect.objectContaining(wanted), decision]);
}

test('what is granted is permitted, what is not is refused by the grant, as for calls', async () => {
  await same('search_issues', { decision: 'permit', step: null, policies: 'permit' });
  await same('close_issue', { decision: 'deny', step: 'grant', policies: 'permit' });
  expect((await outcomeOf({ user: ids.bob })).by).toEqual([{ kind: 'group', name: 'team', tools: ['search_issues'] }]);
  expect(await outcomeOf({ claims: { groups: ['team'] } })).toMatchObject({ decision: 'permit', step: null });
  expect(await outcomeOf({ claims: { groups: ['elsewhere'] } })).toMatchObject({ decision: 'deny', step: 'grant' });
  expect(await outcomeOf({ user: ids.eve })).toMatchObject({ decision: 'deny', step: 'membership' });
});

test('a switch refuses what policies permit, and a server that is off is off for all', async () => {
  const tools = { tools: ['search_issues'] };
  await tell(ada, `POST ${acme}/servers/tracker/tools`, { ...tools, blocked: true });
  await same('search_issues', { decision: 'deny', step: 'switch', policies: 'permit' });
  await tell(ada, `POST ${acme}/servers/tracker/tools`, { ...tools, blocked: false });
  await same('search_issues', { decision: 'permit', step: null });
  await tell(ada, `PUT ${acme}/servers/tracker/enablement`, { enabled: false });
  await same('search_issues', { decision: 'deny', step: 'enablement' });
  await tell(ada, `PUT ${acme}/servers/tracker/enablement`, { enabled: true });
  await same('search_issues', { decision: 'permit', step: null });
  expect(await outcomeOf({ collection: 'none' })).toMatchObject({ decision: 'deny', step: 'enablement' });
});

test('a policy refuses what is granted, a draft of one too; whatever refuses first is named', async () => {
  const policies = 'permit(principal, action, resource) unless { resource == Tool::"search_issues" };';
  expect(await outcomeOf({ user: ids.bob }, { policies })).toMatchObject({ decision: 'deny', step: 'policy' });
  expect(await outcomeOf({ user: ids.bob })).toMatchObject({ decision: 'permit', step: null });
  expect(await outcomeOf({ user: ids.eve }, { policies })).toMatchObject({ step: 'membership', policies: 'deny' });
  await tell(ada, `POST ${acme}/policies`, { name: 'rule', policies });
  await same('search_issues', { decision: 'deny', step: 'policy', policies: 'deny' });
  await tell(ada, `DELETE ${acme}/policies/rule`);
  await same('search_issues', { decision: 'permit', step: null });
});

test('a limit that is used up refuses, and is named; the command line says so in words', async () => {
  const limit = await tell(ada, `POST ${acme}/limits`, {
    counts: 'group',
    group: 'team',
    points: 1,
    windowSeconds: 3600,
  });
  await expect
    .poll(async () => [await called('search_issues'), await outcomeOf({ user: ids.bob })], { timeout: 3000 })
    .toEqual([
      'deny',
      expect.objectContaining({ decision: 'deny', step: 'limit', limit: limit.id, policies: 'permit' }),
    ]);
  const { cli } = await import('#kit/run-cli.ts');
  const test = (...more: string[]) =>
    cli(['policy', 'test', '--org', 'acme', '--server', 'tracker', '--resource', 'search_issues', ...more], {
      env: t.env,
    });
  expect((await test('--claims', '{"groups":["team"]}')).out).toMatch(
    /^case 1: deny \(a limit is used up; policies: permit\)/,
  );
  expect((await test()).out).toMatch(/^case 1: deny \(nothing grants it; policies: permit\)/);
});
