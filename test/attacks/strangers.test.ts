/** What somebody without any credential can send to any route: it ends in a refusal, at once, and leaves no fault in the log. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { send } from '#kit/http-client.ts';
import { sendRaw } from '#kit/raw-client.ts';
import { type SignedInWorld, startSignedInWorld } from '#kit/signed-in-world.ts';

let world: SignedInWorld;
beforeAll(async () => {
  world = await startSignedInWorld({ resources: ['https://svc.example/mcp'], env: { TRUSTED_PROXIES: '127.0.0.1' } });
}, 120_000);
afterAll(() => world?.close());

const url = () => world.gateways[0]?.url ?? '';
const port = () => Number(new URL(url()).port);
const routes = [
  ...['/', '/verify', '/authorize', '/token', '/register', '/register/none', '/par', '/device', '/device/authorize'],
  ...['/callback', '/interaction/none', '/revoke', '/introspect', '/session/end', '/jwks', '/success', '/error'],
  ...['/.well-known/oauth-protected-resource/acme/mcp', '/.well-known/oauth-authorization-server', '/acme/mcp/docs'],
];

test('no method, content type or odd byte is a fault of ours [B13] [E20]', async () => {
  const tries = routes.flatMap((route) =>
    ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'TRACE'].flatMap((method) =>
      ['', '\xff', 'application/json', 'multipart/form-data'].map((type) => ({ route, method, type })),
    ),
  );
  const wrong: string[] = [];
  const next = async (): Promise<void> => {
    const one = tries.pop();
    if (!one) return;
    const { route, method, type } = one;
    const body = '{"a":"\xff';
    const head = `${method} ${route}?a[b]=1&a=%zz&\x80 HTTP/1.1\r\nHost: gw.example\r\nContent-Type: ${type}\r\nCookie: _session=\xff; =;;\r\nConnection: close\r\nContent-Length: ${body.length}`;
    const { answers } = await sendRaw(port(), `${head}\r\n\r\n${body}`, { timeoutMs: 10_000 });
    const status = answers[0]?.status ?? 0;
    if (status === 0 || status >= 500) wrong.push(`${method} ${route} ${type}: ${status}`);
    return next();
  };
  await Promise.all(Array.from({ length: 16 }, next));
  expect(wrong).toEqual([]);
  expect(world.gateways[0]?.logs().filter(({ level }) => level === 'error')).toEqual([]);
}, 120_000);

test('no body holds up everybody else', async () => {
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  const names = letters.flatMap((a) => letters.flatMap((b) => letters.map((c) => a + b + c)));
  const form = names.join('&').slice(0, 55_000);
  const flood = (path: string, body: string, type = 'application/x-www-form-urlencoded') =>
    send(`${url()}${path}`, { headers: { 'content-type': type }, body });
  const slow: (string | number)[][] = [];
  for (const path of ['/token', '/par', '/revoke', '/introspect', '/device/authorize', '/authorize']) {
    const from = performance.now();
    const all = await Promise.all([1, 2, 3].map(() => flood(path, form)));
    if (all.some(({ status }) => status >= 500) || performance.now() - from > 2500)
      slow.push([path, all[0]?.status ?? 0, performance.now() - from]);
  }
  const uris = JSON.stringify({ redirect_uris: names.slice(0, 500).map((name) => `https://${name}.example/`) });
  const from = performance.now();
  const registered = await flood('/register', uris, 'application/json');
  if (registered.status >= 500 || performance.now() - from > 2500) slow.push(['/register', registered.status]);
  expect(slow).toEqual([]);
}, 60_000);

test('a reader’s call is a call however its method is written [B16] [D1]', async () => {
  const reader = await world.signIn({ scope: 'mcp:read' });
  const bodies = [
    String.raw`{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"name":"echo"}}`,
    String.raw`{"jsonrpc":"2.0","id":1,"method":"tools\u002fcall","params":{"name":"echo"}}`,
    '{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"echo"}}',
    '{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call","params":{"name":"echo"}}',
    '[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}]',
    '{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo"}}',
  ];
  world.upstream.clear();
  for (const body of bodies) {
    const answer = await send(`${url()}/acme/mcp/docs`, { headers: reader.auth, body });
    expect([body, [400, 403].includes(answer.status)]).toEqual([body, true]);
  }
  expect(world.upstream.requests).toHaveLength(0);
});

test('what exists is told to nobody before sign-in: every well-formed address looks the same [C12] [B13]', async () => {
  const shape = async (path: string, method = 'GET') => {
    const { status, headers, text } = await send(`${url()}${path}`, {
      method,
      headers: { accept: 'application/json' },
    });
    const names = Object.keys(headers).sort().join();
    const plain = (value: string) => value.replaceAll(/acme|nobody|org_123|org_321|docs|none/g, 'x');
    return [status, names, plain(text), plain(headers['www-authenticate'] ?? '')];
  };
  const prefix = '/.well-known/oauth-protected-resource';
  for (const [real, made] of [
    ['/acme/mcp/docs', '/nobody/mcp/none'],
    ['/org_123/mcp', '/org_321/mcp'],
    [`${prefix}/acme/mcp/docs`, `${prefix}/nobody/mcp/none`],
    ['/register/client_none', '/register/client_docs'],
  ] as const)
    expect([real, await shape(real)]).toEqual([real, await shape(made)]);
});
