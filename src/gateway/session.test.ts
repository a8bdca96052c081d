import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { openSessions } from './session.ts';

const client = { version: '2025-11-25', capabilities: {}, info: { name: 'test', version: '1' } };
const owner = { principal: '4:kcarol', org: 'org-a', endpoint: 'endpoint-a', server: 'server-a' };

function kit() {
  let now = 1_000_000;
  const revoked = new Map<string, number>();
  const open = (key: Buffer) =>
    openSessions({
      key,
      ttlSeconds: 60,
      clock: { now: () => now, monotonic: () => now },
      revocations: {
        has: (digest) => revoked.has(digest),
        insert: async (digest, expiresAt) => void revoked.set(digest, expiresAt),
      },
    });
  return {
    open,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

test('any replica with the same key finds what another one sealed', () => {
  const { open } = kit();
  const key = randomBytes(32);
  const id = open(key).seal(owner, 'upstream-1', client);
  expect(id).toMatch(/^[\x21-\x7e]+$/);
  expect(open(key).find(id, owner)?.upstreamId).toBe('upstream-1');
  expect(open(randomBytes(32)).find(id, owner)).toBeUndefined();
});

test.each([
  ['another principal', { ...owner, principal: '4:kdave' }],
  ['another organization', { ...owner, org: 'org-b' }],
  ['another server', { ...owner, server: 'server-b' }],
  ['another endpoint', { ...owner, endpoint: 'endpoint-b' }],
])('a session is unknown to %s, also when it is warm, and still works for its owner [C7] [S4.23]', (_name, other) => {
  const sessions = kit().open(randomBytes(32));
  const id = sessions.seal(owner, 'upstream-1', client);
  expect(sessions.find(id, other)).toBeUndefined();
  expect(sessions.find(id, owner)?.upstreamId).toBe('upstream-1');
  expect(sessions.find(id, other)).toBeUndefined();
});

test('a changed, cut, chosen or overlong id is unknown [S1.40]', () => {
  const sessions = kit().open(randomBytes(32));
  const id = sessions.seal(owner, 'upstream-1', client);
  const flipped = id.slice(0, 10) + (id[10] === 'A' ? 'B' : 'A') + id.slice(11);
  for (const bad of [flipped, id.slice(0, -1), `${id}A`, 'x', '', 's1', 's1'.padEnd(10_000, 'A')])
    expect(sessions.find(bad, owner)).toBeUndefined();
});

test('an ended session is unknown at once, an old one after its time', async () => {
  const { open, pass } = kit();
  const sessions = open(randomBytes(32));
  const [first, second] = [sessions.seal(owner, 'a', client), sessions.seal(owner, 'b', client)];
  const session = sessions.find(first, owner);
  if (session) await sessions.end(session);
  expect(sessions.find(first, owner)).toBeUndefined();
  expect(sessions.find(second, owner)).toBeDefined();
  pass(60_001);
  expect(sessions.find(second, owner)).toBeUndefined();
});
