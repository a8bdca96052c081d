/** Attacks on `/verify`: spellings that the service reads otherwise, headers that a client adds, rights that are gone. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { send } from '#kit/http-client.ts';
import { sendRaw } from '#kit/raw-client.ts';
import { type Person, type SignedInWorld, startSignedInWorld } from '#kit/signed-in-world.ts';

const whole = 'https://svc.example';
const inner = 'https://svc.example/admin';
let world: SignedInWorld;
let person: Person;
beforeAll(async () => {
  world = await startSignedInWorld({ resources: [whole, inner], env: { TRUSTED_PROXIES: '127.0.0.1' } });
  person = await world.signIn({ resource: whole });
}, 120_000);
afterAll(() => world?.close());

const forwarded = (uri: string, more: Readonly<Record<string, string>> = {}) => ({
  'x-forwarded-method': 'POST',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'svc.example',
  'x-forwarded-uri': uri,
  ...more,
});
const verify = (headers: Readonly<Record<string, string>>) =>
  send(`${world.gateways[0]?.url}/verify`, { method: 'GET', headers: { accept: '*/*', ...headers } });

describe('the holder of a token for the outer resource', () => {
  test('reaches the inner one in no spelling that a service may read as it [X1.4] [C13]', async () => {
    expect((await verify({ ...person.auth, ...forwarded('/open?x=;') })).status).toBe(200);
    const spellings = [
      '/admin',
      '/admin/x',
      '/%61dmin',
      '/adm%69n/x',
      '/ADMIN/x',
      '/admin;a=b',
      '/admin;a=b/x',
      '/;/admin',
      '/x/..;/admin',
      '/x/..;a=b/admin',
      '/x/%2e%2e;/admin',
      '/.;/admin',
      '/%2561dmin',
      '/admin%00',
      '/admin%20',
      '/admin%09/x',
      '/admin%3Bx',
      '/admin%3fx',
      '/admin.',
    ];
    const passed: string[] = [];
    for (const uri of spellings) {
      const answer = await verify({ ...person.auth, ...forwarded(uri) });
      if (answer.status !== 403) passed.push(uri);
    }
    expect(passed).toEqual([]);
  });

  test('gains nothing by a second copy of a header, whichever of the two the proxy wrote [X1.4] [E2]', async () => {
    const port = Number(new URL(world.gateways[0]?.url ?? '').port);
    const head = (lines: readonly string[]) =>
      `GET /verify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${person.accessToken}\r\n${lines.join('\r\n')}\r\n\r\n`;
    const good = ['X-Forwarded-Proto: https', 'X-Forwarded-Host: svc.example'];
    const tricks = [
      [...good, 'X-Forwarded-Uri: /open', 'X-Forwarded-Uri: /admin'],
      [...good, 'X-Forwarded-Uri: /open', 'X-Forwarded-Uri: /open'],
      [...good, 'X-Forwarded-Uri: /open, /admin'],
      [...good, 'X-Forwarded-Uri: /open /admin'],
      [...good, 'X-Forwarded-Uri: /x/.\t./admin'],
      [...good, 'X-Forwarded-Uri: /open\\..\\admin'],
      [...good, 'X-Forwarded-Uri: /op\xe9n'],
      ['X-Original-URL: https://svc.example/open', 'X-Original-URL: https://svc.example/admin'],
      ['X-Original-URL: https://svc.example?/admin'],
      ['X-Original-URL: https://svc.example#/admin'],
      ['X-Original-URL: https://svc.example\\@other.example/admin'],
      ['X-Original-URL: https:/svc.example/open'],
    ];
    for (const lines of tricks) {
      const { answers } = await sendRaw(port, head(lines));
      expect([lines.at(-1), answers[0]?.status]).toEqual([lines.at(-1), 403]);
    }
  });
});

test('the service is told of no organization that the person has left [B16] [S1.24]', async () => {
  const leaver = await world.signIn({ resource: whole });
  const told = async () => {
    const { status, headers } = await verify({ ...leaver.auth, ...forwarded('/open') });
    return [status, headers['x-organization-id']];
  };
  expect(await told()).toEqual([200, world.organizationIds.acme]);
  await world.setRoles(leaver.user.id, {});
  await expect.poll(told, { timeout: 1000 }).toEqual([200, '']);
});

test('a token that its holder limited to reading, or to their name, opens nothing there [B16] [S1.22]', async () => {
  for (const scope of ['openid profile', 'mcp:read', 'mcp:write']) {
    const limited = await world.signIn({ resource: whole, scope });
    const answer = await verify({ ...limited.auth, ...forwarded('/open') });
    expect([scope, answer.status, answer.headers['www-authenticate']]).toEqual([
      scope,
      403,
      'Bearer error="insufficient_scope", scope="mcp:read mcp:write", resource_metadata="https://svc.example/.well-known/oauth-protected-resource"',
    ]);
    expect(answer.headers['x-user-id']).toBeUndefined();
  }
});
