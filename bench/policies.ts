/**
 * What a decision costs: `node bench/policies.ts`. Sets of 6, 56 and 506 policies, a caller with eight claims and twenty
 * groups; a list of 200 tools filtered when nothing is known yet, and when it was filtered before.
 */
import { openCedar } from '#adapters/policy/cedar/cedar.ts';
import type { PolicyQuestion } from '#adapters/policy/policy.ts';

const claims = {
  ...{ sub: 'ada', email: 'ada@acme.example', name: 'Ada', iss: 'https://idp.example', aud: 'x', iat: 1, exp: 2 },
  groups: Array.from({ length: 20 }, (_, i) => `g${i}`),
};
const caller = { subject: 'ada', claims };
const TOOLS = 200;

const textOf = (count: number) => [
  ...Array.from({ length: count - 2 }, (_, i) =>
    i % 2 === 0
      ? `permit(principal in THVGroup::"g${i}", action == Action::"call_tool", resource == Tool::"tool-${i}");`
      : `permit(principal, action, resource in MCP::"server-${i % 10}") when { principal.claim_groups.contains("g${i}") };`,
  ),
  'permit(principal, action == Action::"call_tool", resource) when { resource has readOnlyHint && resource.readOnlyHint };',
  'forbid(principal, action, resource) when { context has arg_amount && context.arg_amount > 100 };',
];

const question = (i: number, server = 'server-1'): PolicyQuestion => ({
  ...{ action: 'call_tool', server, name: `tool-${i}` },
  ...{ annotations: { readOnlyHint: i % 2 === 0 }, args: { amount: 5, city: 'Bern' } },
});

function perSecond(work: (i: number) => void, ms = 1000): number {
  const until = performance.now() + ms;
  let count = 0;
  while (performance.now() < until) for (let i = 0; i < 20; i++) work(count++ % TOOLS);
  return Math.round((count * 1000) / ms);
}

const engine = openCedar();
console.log('policies  compile ms  first list ms  decisions/s  µs each');
for (const count of [6, 56, 506]) {
  const config = { version: '1.0', type: 'cedarv1', cedar: { policies: textOf(count) } };
  let since = performance.now();
  const set = engine.compile(config, { onError: 'deny' });
  const compileMs = performance.now() - since;
  const mine = set.forCaller(caller);
  since = performance.now();
  for (let i = 0; i < TOOLS; i++) mine.decide(question(i));
  const listMs = performance.now() - since;
  const rate = perSecond((i) => void mine.decide(question(i)));
  const cells = [String(count).padStart(8), compileMs.toFixed(1).padStart(10), listMs.toFixed(1).padStart(13)];
  console.log([...cells, String(rate).padStart(11), (1e6 / rate).toFixed(0).padStart(7)].join('  '));
}
