import { expect, test } from 'vitest';
import { uuidv7 } from '#core/ids.ts';
import { callRecord } from '#kit/call-records.ts';
import type { CallRecord } from '#records/call-record.ts';
import { openDetector } from './suspicion.ts';

function setUp() {
  const time = { ms: 0 };
  const found: string[] = [];
  const detector = openDetector({
    thresholds: {
      failuresPerAddress: 3,
      failuresPerAccount: 2,
      addressesPerToken: 3,
      scopeRefusals: 3,
      unknownOrganizations: 3,
    },
    clock: { now: () => time.ms, monotonic: () => time.ms },
    report: (what) => found.push(what),
  });
  const hear = (change: Partial<CallRecord>) => detector.hear(callRecord({ id: uuidv7(Date.now()), ...change }));
  return { time, found, hear };
}
const failed = { kind: 'sign_in', action: 'sign_in.failed', decision: 'deny', subject: null } as const;

test('repeated failures of an address, and of an account from many addresses, are said once [S4.15] [S4.16]', () => {
  const { found, hear } = setUp();
  for (let n = 0; n < 10; n++) hear({ ...failed, target: `user-${n}`, clientAddress: '192.0.2.1' });
  expect(found).toEqual(['failures.address']);
  for (let n = 0; n < 3; n++) hear({ ...failed, target: 'Ada', clientAddress: `198.51.100.${n}` });
  expect(found).toEqual(['failures.address', 'failures.account']);
});

test('a token that is used from many addresses is said, one that stays at home is not [S4.15]', () => {
  const { found, hear } = setUp();
  for (let n = 0; n < 100; n++) hear({ subject: 'steady', clientAddress: '192.0.2.1' });
  for (let n = 0; n < 4; n++) hear({ subject: 'moving', clientAddress: `192.0.2.${n}` });
  expect(found).toEqual(['token.addresses']);
});

test('probing of scopes and of organizations is said, and again after the window [S4.15]', () => {
  const { time, found, hear } = setUp();
  const denied = { decision: 'deny', reason: 'insufficient_scope' } as const;
  for (let n = 0; n < 4; n++) hear(denied);
  for (let n = 0; n < 4; n++) hear({ decision: 'deny', reason: 'not_member', path: `/org-${n}/mcp` });
  expect(found).toEqual(['scope.probing', 'organization.probing']);
  for (let n = 0; n < 9; n++) hear(denied);
  expect(found).toHaveLength(2);
  time.ms = 700_000;
  for (let n = 0; n < 4; n++) hear(denied);
  expect(found).toHaveLength(3);
});

test('a refresh token that is used again is said at once [S4.15]', () => {
  const { found, hear } = setUp();
  hear({ kind: 'sign_in', action: 'token.reused', decision: 'deny' });
  expect(found).toEqual(['token.reused']);
});

test('few failures over a long time are nothing', () => {
  const { time, found, hear } = setUp();
  for (let n = 0; n < 20; n++) {
    time.ms += 400_000;
    hear({ ...failed, target: 'ada' });
  }
  expect(found).toEqual([]);
});
