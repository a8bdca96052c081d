import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { openSealer } from '#core/sealer.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { type Ask, type Listening, openParked } from './parked.ts';
import type { Stake } from './request-states.ts';

const stake: Stake = {
  ...{ org: 'o', endpoint: 'e', binding: 'b', principal: 'p', method: 'tools/call' },
  params: { name: 't' },
};
const form = { message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } };
const accept: JsonObject = { action: 'accept', content: { name: 'ann' } };
const listening = (signal = new AbortController().signal): Listening => ({ notify: () => undefined, signal });

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function start(options: { perPrincipal?: number } = {}) {
  const clock = manualClock();
  const parked = openParked({
    ...{
      sealer: openSealer(randomBytes(32)),
      clock,
      replica: 'r',
      patienceMs: 600_000,
      perPrincipal: 20,
      perOrganization: 20,
      max: 100,
    },
    ...options,
  });
  /** A call that asks `rounds` one after the other. */
  const run = (rounds = 1, from = listening()) =>
    parked.run(stake, from, async (ask, { signal }) => {
      const answers: JsonObject[] = [];
      for (let i = 0; i < rounds; i++) answers.push(await stopping(ask, signal));
      return { resultType: 'complete', answers };
    });
  return { clock, parked, run };
}

const stopping = (ask: Ask, signal: AbortSignal): Promise<JsonObject> =>
  new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
    ask('elicitation/create', form).then(resolve, reject);
  });

async function asked(result: Promise<JsonObject>) {
  await vi.advanceTimersByTimeAsync(30);
  const given = await result;
  const [key = ''] = Object.keys(objectIn(given, 'inputRequests') ?? {});
  return { given, key, state: stringIn(given, 'requestState') ?? '' };
}

test('a call waits for its answer, goes on once, and is over [C8]', async () => {
  const { parked, run } = start();
  const { given, key, state } = await asked(run());
  expect([given.resultType, parked.size]).toEqual(['input_required', 1]);
  const ticket = parked.find(stake, state);
  if (!ticket) throw new Error('not found');
  expect(await parked.resume(ticket, { [key]: accept }, listening())).toMatchObject({ answers: [accept] });
  expect(parked.size).toBe(0);
  await expect(parked.resume(ticket, { [key]: accept }, listening())).rejects.toMatchObject({ code: 'invalid_params' });
});

test('what a server did without waiting for the answer is told to who comes back, once [C8]', async () => {
  const { parked } = start();
  const done = Promise.withResolvers<JsonObject>();
  const { state } = await asked(
    parked.run(stake, listening(), (ask) => {
      ask('elicitation/create', form).catch(() => undefined);
      return done.promise;
    }),
  );
  done.resolve({ resultType: 'complete', content: [] });
  await vi.advanceTimersByTimeAsync(1000);
  const ticket = parked.find(stake, state);
  if (!ticket) throw new Error('not found');
  expect(await parked.resume(ticket, {}, listening())).toEqual({ resultType: 'complete', content: [] });
  expect(parked.size).toBe(0);
  await expect(parked.resume(ticket, {}, listening())).rejects.toMatchObject({ code: 'invalid_params' });
});

test('nobody answers for ten minutes: the call ends, and its state is worth nothing [C8]', async () => {
  const { parked, run, clock } = start();
  const { state } = await asked(run());
  clock.advance(600_000);
  expect(parked.find(stake, state)).toBeUndefined();
  await vi.advanceTimersByTimeAsync(600_000);
  expect(parked.size).toBe(0);
});

test('an answer just in time begins new ten minutes', async () => {
  const { parked, run, clock } = start();
  const first = await asked(run(2));
  clock.advance(599_000);
  await vi.advanceTimersByTimeAsync(599_000);
  const ticket = parked.find(stake, first.state);
  if (!ticket) throw new Error('not found');
  const second = await asked(parked.resume(ticket, { [first.key]: accept }, listening()));
  expect(second.key).not.toBe(first.key);
  clock.advance(599_000);
  await vi.advanceTimersByTimeAsync(599_000);
  expect(parked.size).toBe(1);
  expect(parked.find(stake, second.state)).toBeDefined();
  parked.close();
});

test('hanging up while nobody is asked cancels it; while it waits nobody can hang up', async () => {
  const { parked, run } = start();
  const abort = new AbortController();
  const first = await asked(run(2, listening(abort.signal)));
  abort.abort('client_gone');
  expect(parked.size).toBe(1);
  const ticket = parked.find(stake, first.state);
  if (!ticket) throw new Error('not found');
  const gone = new AbortController();
  const resumed = parked.resume(ticket, { [first.key]: accept }, listening(gone.signal));
  gone.abort('client_gone');
  await expect(resumed).rejects.toBe('client_gone');
  expect(parked.size).toBe(0);
});

test('a principal can have so many calls waiting, and gets the places back', async () => {
  const { parked, run } = start({ perPrincipal: 2 });
  const calls = [await asked(run()), await asked(run())];
  await expect(run()).rejects.toMatchObject({ code: -32603 });
  const ticket = parked.find(stake, calls[0]?.state ?? '');
  if (!ticket) throw new Error('not found');
  await parked.resume(ticket, { [calls[0]?.key ?? '']: accept }, listening());
  expect((await asked(run())).given.resultType).toBe('input_required');
  parked.close();
});
