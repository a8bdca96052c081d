import { describe, expect, test } from 'vitest';
import { GatehouseError } from '#core/error.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { parseMessage } from '#mcp/message.ts';
import { mayRepeat, openRepeats } from './repeat.ts';

const call = (method: string, params: object = {}) => ({
  // Whatever the method wants named is.
  message: parseMessage(
    Buffer.from(
      JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { name: 'n', uri: 'u:1', taskId: 't', ...params } }),
    ),
  ),
});
const broken = new GatehouseError('upstream_broken');

describe('what may be sent a second time', () => {
  test('is whatever was not sent, and after that only what twice is once', () => {
    expect(mayRepeat(call('tools/call', { name: 'pay' }), new GatehouseError('upstream_unreachable'), false)).toBe(
      true,
    );
    expect(mayRepeat(call('tools/call', { name: 'pay' }), broken, true)).toBe(false);
    for (const method of ['tasks/update', 'tasks/cancel', 'logging/setLevel', 'resources/subscribe'])
      expect([method, mayRepeat(call(method), broken, true)]).toEqual([method, false]);
    for (const method of ['tools/list', 'server/discover', 'resources/read', 'prompts/get', 'ping', 'tasks/get'])
      expect([method, mayRepeat(call(method), broken, true)]).toEqual([method, true]);
  });

  test('is no answer to a question, and nothing that timed out, was refused or is at its limit [R12]', () => {
    for (const key of ['requestState', 'inputResponses'])
      expect(mayRepeat(call('prompts/get', { [key]: 'x' }), broken, true)).toBe(false);
    for (const code of ['upstream_timeout', 'upstream_refused', 'upstream_busy'] as const)
      expect(mayRepeat(call('tools/list'), new GatehouseError(code), false)).toBe(false);
  });
});

describe('repeating', () => {
  const inTime = { spentMs: 10, totalMs: 1000 };

  test('waits 50 to 250 ms, and is not worth it when half of the time is over', () => {
    const clock = manualClock(0);
    const pauses = [0, 0.5, 0.999].map((random) => openRepeats({ clock, random: () => random }).take('s', inTime));
    expect(pauses.map((ms) => Math.round(ms ?? -1))).toEqual([50, 150, 250]);
    expect(openRepeats({ clock }).take('s', { spentMs: 501, totalMs: 1000 })).toBeUndefined();
    // A stream has no end.
    expect(openRepeats({ clock }).take('s', { spentMs: 501, totalMs: 0 })).toBeDefined();
  });

  test('is for one request in ten of a server within ten seconds: a herd of retries would keep it down', () => {
    const clock = manualClock(0);
    const repeats = openRepeats({ clock });
    const taken = (count: number) =>
      Array.from({ length: count }, () => repeats.take('s', inTime)).filter((ms) => ms !== undefined).length;
    expect(taken(50)).toBe(3);
    for (let i = 0; i < 200; i++) repeats.note('s');
    expect(taken(50)).toBe(17);
    // Another server's are its own.
    expect(repeats.take('other', inTime)).toBeDefined();
    clock.advance(10_001);
    expect(taken(50)).toBe(3);
  });
});
