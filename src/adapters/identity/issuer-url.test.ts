import { expect, test } from 'vitest';
import { issuerSpellings, joinPath, wellKnownUrl } from './issuer-url.ts';

test.each([
  ['https://api.workos.com/auth/v1', 'https://api.workos.com/auth/v1/oauth2/jwks'],
  ['https://api.workos.com/auth/v1/', 'https://api.workos.com/auth/v1/oauth2/jwks'],
  ['https://acme.authkit.app', 'https://acme.authkit.app/oauth2/jwks'],
  ['https://acme.authkit.app/', 'https://acme.authkit.app/oauth2/jwks'],
  ['http://127.0.0.1:4010/a//', 'http://127.0.0.1:4010/a/oauth2/jwks'],
])('the keys of %s are at %s [S0.2] [S0.21]', (base, url) => {
  expect(joinPath(base, '/oauth2/jwks')).toBe(url);
});

test('a well-known address puts the issuer’s path last (RFC 8414 3.1)', () => {
  expect(wellKnownUrl('https://api.workos.com/auth/v1/', 'oauth-authorization-server')).toBe(
    'https://api.workos.com/.well-known/oauth-authorization-server/auth/v1',
  );
  expect(wellKnownUrl('https://a.example', 'x')).toBe('https://a.example/.well-known/x');
});

test('an issuer is accepted as it was written, or without the slash at its end', () => {
  expect(issuerSpellings('https://a.example/')).toEqual(['https://a.example/', 'https://a.example']);
  expect(issuerSpellings('https://a.example')).toEqual(['https://a.example']);
});
