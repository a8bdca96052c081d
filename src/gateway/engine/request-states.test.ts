import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { openSealer } from '#core/sealer.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { openRequestStates, placeOf, type Stake } from './request-states.ts';

const stake: Stake = {
  ...{ org: 'o', endpoint: 'e', binding: 'b', principal: 'p', method: 'tools/call' },
  params: { name: 't', arguments: { a: 1, b: [{ c: 2, d: 3 }] } },
};
const clock = manualClock();
const open = () => openRequestStates({ sealer: openSealer(randomBytes(32)), clock, patienceMs: 600_000 });

test('a state is good for its own request until ten minutes are over [C8]', () => {
  const states = open();
  const sealed = states.seal(stake, { kind: 'server', state: 'theirs' });
  const again = states.seal(stake, { kind: 'again' });
  expect(sealed).not.toContain('theirs');
  clock.advance(599_999);
  expect(states.open(stake, sealed)).toEqual({ kind: 'server', state: 'theirs' });
  expect(states.open(stake, again)).toEqual({ kind: 'again' });
  clock.advance(1);
  expect(states.open(stake, sealed)).toBeUndefined();
  expect(states.open(stake, again)).toBeUndefined();
});

test.each([
  ['another organization', { org: 'x' }],
  ['another endpoint', { endpoint: 'x' }],
  ['another server', { binding: 'x' }],
  ['another principal', { principal: 'x' }],
  ['another method', { method: 'prompts/get' }],
  ['another tool', { params: { ...stake.params, name: 'x' } }],
  ['other arguments', { params: { ...stake.params, arguments: { a: 2, b: [{ c: 2, d: 3 }] } } }],
  ['one argument more', { params: { ...stake.params, arguments: { a: 1, b: [{ c: 2, d: 3 }], __proto__x: 1 } } }],
] as const)('a state is not good for %s [C8]', (_what, other) => {
  const states = open();
  expect(states.open({ ...stake, ...other }, states.seal(stake, { kind: 'server', state: 's' }))).toBeUndefined();
});

test('no bit of a state can be changed, and another key opens none [C8]', () => {
  const states = open();
  const sealed = states.seal(stake, { kind: 'server', state: 's' });
  expect(open().open(stake, sealed)).toBeUndefined();
  const bytes = Buffer.from(sealed.slice(4), 'base64url');
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(states.open(stake, `gh2.${changed.toString('base64url')}`)).toBeUndefined();
  }
});

test('the order of keys, answers and what the protocol adds make no other request', () => {
  const same = {
    ...stake,
    params: {
      arguments: { b: [{ d: 3, c: 2 }], a: 1 },
      name: 't',
      ...{ _meta: { x: 1 }, inputResponses: { q1: {} }, requestState: 'gh2.x' },
    },
  };
  expect(placeOf('x', same)).toBe(placeOf('x', stake));
  const moved = { ...stake, params: { ...stake.params, arguments: { a: 1, b: [{ c: 3, d: 2 }] } } };
  expect(placeOf('x', moved)).not.toBe(placeOf('x', stake));
});
