import { expect, test } from 'vitest';
import { Secret } from '#core/secret.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { secretsOf } from './environment.ts';
import { openStderr } from './stderr.ts';

function open(secret: string) {
  const lines: string[] = [];
  const sink = openStderr({
    ...{
      clock: manualClock(0),
      secrets: secretsOf({ KEY: new Secret(secret) }),
      keepBytes: 65_536,
      linesPerSecond: 100,
    },
    ...{ onLine: (text) => void lines.push(text), onDropped() {} },
  });
  return { sink, lines };
}

test.each([
  ['with the line ends of another system', 'first-part\r\nother-part\r\n', 'got other-part here\r\n'],
  ['between spaces', '  spaced-secret ', 'got spaced-secret here\n'],
  ['with signs inside that are taken out', 'se\u001bcret-\u200bkey', 'got se\u001bcret-\u200bkey here\n'],
])('a secret %s is hidden [G11]', (_how, secret, text) => {
  const { sink, lines } = open(secret);
  sink.push(Buffer.from(text));
  expect(lines).toEqual(['got [secret] here']);
  expect(sink.tail().trim()).toBe('got [secret] here');
});

test('a secret that a line is cut in is hidden as well, and one that comes in two parts [G11]', () => {
  const { sink, lines } = open('a-very-secret-k\u00e9y');
  sink.push(Buffer.from(`${'x'.repeat(8185)}a-very-secret-k\u00e9y\n`));
  const bytes = Buffer.from('a-very-secret-k\u00e9y\n');
  sink.push(bytes.subarray(0, -3));
  sink.push(bytes.subarray(-3));
  expect(lines.join('\n')).not.toContain('a-v');
  expect(lines[1]).toBe('[secret]');
});

test('what turns or hides text in a terminal or a page is taken out [F1] [F12] [G11]', () => {
  const { sink, lines } = open('none here');
  sink.push(Buffer.from('a\u001b[31mb\u001b]0;t\u0007c\u202ed\u2066e\u200bf\u{e0041}g\u009bh\n'));
  expect(lines).toEqual(['abcdefgh']);
});
