import { expect, test } from 'vitest';
import { deriveKey } from '#core/derive.ts';
import type { JsonObject } from '#core/json.ts';
import { openSealer } from '#core/sealer.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { openParked, type Stake } from './parked.ts';

const stake: Stake = {
  org: 'o',
  endpoint: 'e',
  principal: 'p',
  binding: 'b',
  method: 'tools/call',
  params: { name: 'act', arguments: { a: 1 } },
};
const form = { message: 'Who?', requestedSchema: { type: 'object', properties: {} } };
const accept = { action: 'accept', content: {} };

function open(more: { readonly perOrganization?: number } = {}) {
  const clock = manualClock();
  const sealer = openSealer(deriveKey('a-root-secret-of-the-parked-tests', 'parked'));
  const limits = { patienceMs: 600_000, perPrincipal: 20, perOrganization: 20, max: 1000, ...more };
  return openParked({ sealer, clock, replica: 'r', ...limits });
}

const listening = () => ({ notify: () => undefined, signal: new AbortController().signal });
const stateOf = (result: JsonObject) => String(result.requestState);

test('the state is good for the server that the name meant, and no other', async () => {
  const parked = open();
  const asked = await parked.run(stake, listening(), async (ask) => ask('elicitation/create', form));
  expect(parked.find(stake, stateOf(asked))).toBeDefined();
  for (const other of ['org', 'endpoint', 'principal', 'binding', 'method'] as const)
    expect(parked.find({ ...stake, [other]: 'another' }, stateOf(asked))).toBeUndefined();
  parked.close();
});

test('what a server did without waiting for an answer is told to the client that comes again: nothing is done twice', async () => {
  const parked = open();
  const { promise, resolve } = Promise.withResolvers<JsonObject>();
  const asked = await parked.run(stake, listening(), (ask) => {
    ask('elicitation/create', form).catch(() => undefined);
    return promise;
  });
  resolve({ done: true });
  await new Promise(setImmediate);
  const ticket = parked.find(stake, stateOf(asked));
  if (!ticket) throw new Error('no ticket');
  expect(await parked.resume(ticket, { q1: accept }, listening())).toEqual({ done: true });
  expect(parked.size).toBe(0);
  await expect(parked.resume(ticket, { q1: accept }, listening())).rejects.toMatchObject({ code: 'invalid_params' });
});

test('a server that asks and answers at once has answered', async () => {
  const parked = open();
  const result = await parked.run(stake, listening(), async (ask) => {
    ask('elicitation/create', form).catch(() => undefined);
    return { done: true };
  });
  expect([result, parked.size]).toEqual([{ done: true }, 0]);
});

test('an organization takes no more than its share', async () => {
  const parked = open({ perOrganization: 3 });
  const park = (org: string, n: number) =>
    parked.run({ ...stake, org, principal: `p${n}` }, listening(), async (ask) => ask('elicitation/create', form));
  for (let n = 0; n < 3; n++) expect(await park('o', n)).toMatchObject({ resultType: 'input_required' });
  await expect(park('o', 4)).rejects.toMatchObject({ code: -32603 });
  expect(await park('another', 5)).toMatchObject({ resultType: 'input_required' });
  parked.close();
});
