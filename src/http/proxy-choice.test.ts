import { expect, test } from 'vitest';
import { proxyChoice } from './proxy-choice.ts';

const settings = { http: 'http://proxy:3128', https: 'http://proxy:3129' };
const choose = (url: string, none?: string) => proxyChoice({ ...settings, none })(new URL(url));

test('each scheme has its own proxy [S2.40]', () => {
  expect(choose('https://a.example/')).toBe('http://proxy:3129');
  expect(choose('http://a.example/')).toBe('http://proxy:3128');
  expect(proxyChoice({})(new URL('https://a.example/'))).toBeUndefined();
  expect(proxyChoice({ https: '' })(new URL('https://a.example/'))).toBeUndefined();
});

test.each([
  ['a.example', 'https://a.example/', true],
  ['a.example', 'https://x.a.example/', true],
  ['a.example', 'https://ba.example/', false],
  ['.a.example', 'https://a.example/', true],
  ['*.a.example', 'https://a.example/', false],
  ['*.a.example', 'https://x.a.example/', true],
  ['A.EXAMPLE', 'https://a.example./', true],
  ['b.example, a.example:8443', 'https://a.example:8443/', true],
  ['a.example:8443', 'https://a.example/', false],
  ['10.0.0.0/8', 'https://10.1.2.3/', true],
  ['10.0.0.0/8', 'https://11.1.2.3/', false],
  ['10.1.2.3:443', 'https://10.1.2.3/', true],
  ['fd00::1', 'https://[fd00::1]/', true],
  ['[fd00::1]:8443', 'https://[fd00::1]:8443/', true],
  ['*', 'https://anything.example/', true],
  ['', 'https://anything.example/', false],
])('NO_PROXY=%s for %s: direct %s [S2.40]', (none, url, direct) => {
  expect(choose(url, none) === undefined).toBe(direct);
});

test('this machine is never asked for by proxy', () => {
  for (const host of ['127.0.0.1:4000', 'localhost', '[::1]', 'a.localhost']) {
    expect(choose(`http://${host}/`)).toBeUndefined();
  }
});
