import { expect, test } from 'vitest';
import { readEcho } from './named.ts';

test('the echo servers take their session time in seconds, and say what they are asked where that is wished [S1.36]', () => {
  expect(readEcho({})).toEqual({ sessionMs: undefined, debug: false });
  expect(readEcho({ MCP_SESSION_TIMEOUT: '60', MCP_ECHO_DEBUG: 'true' })).toEqual({ sessionMs: 60_000, debug: true });
  for (const wrong of ['0', '-1', '1h', '']) expect(() => readEcho({ MCP_SESSION_TIMEOUT: wrong })).toThrow('seconds');
});
