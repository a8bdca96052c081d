import { createServer as createPlainServer, type RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Egress, openEgress } from '#http/egress.ts';
import { type ManualClock, manualClock } from '#kit/identity/manual-clock.ts';
import { createSelfSigned } from '#kit/identity/self-signed.ts';
import { type Listening, listenOnLoopback } from '#kit/listen.ts';
import { openTestServer, type TestServer } from '#kit/oauth.ts';
import { fingerprintOf } from '#oauth/client-fingerprint.ts';
import { isDocumentUrl } from './client-documents.ts';

const redirectUri = 'https://client.example/callback';
let listening: Listening;
let egress: Egress;
let t: TestServer;
let clock: ManualClock;
let id: string;
let answer: RequestListener;
let asked = 0;
let connections = 0;

const json =
  (body: unknown, headers: Record<string, string> = {}): RequestListener =>
  (_req, res) =>
    void res.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

const document = (more: Record<string, unknown> = {}) => ({
  client_id: id,
  client_name: 'A client of the web',
  redirect_uris: [redirectUri],
  ...more,
});

beforeAll(async () => {
  const { key, cert } = createSelfSigned(['docs.example', 'private.example', 'localhost']);
  const server = createServer({ key, cert }, (req, res) => {
    asked++;
    answer(req, res);
  });
  server.on('connection', () => connections++);
  listening = await listenOnLoopback(server);
  egress = openEgress({
    ca: cert,
    // Only this name may lead to this machine: every other one that does is an attack.
    allow: [`docs.example:${listening.port}`],
    ports: [443, listening.port],
    resolve: async () => [{ address: '127.0.0.1', family: 4 }],
  });
  clock = manualClock();
  t = await openTestServer({ clock, fetch: egress.fetch, trustedProxies: ['127.0.0.1'] });
});
afterAll(async () => {
  await t.close();
  await egress.close();
  await listening.close();
});

let names = 0;
/** A document of its own for each test: what is remembered of one says nothing of another. */
function fresh(): string {
  id = `https://docs.example:${listening.port}/clients/${++names}.json`;
  asked = 0;
  return id;
}
afterEach(() => {
  answer = (_req, res) => void res.writeHead(500).end();
});

let askers = 0;
function authorize(clientId: string, redirect = redirectUri, server = t): Promise<Response> {
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: redirect,
    response_type: 'code',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    state: 'abc',
  });
  // From another address each time: the limit per address has a test of its own.
  const headers = { accept: 'text/html', 'x-forwarded-for': `198.51.${++askers >> 8}.${askers & 255}` };
  return fetch(`${server.url}/authorize?${query}`, { redirect: 'manual', headers });
}

async function expectConsent(pending: Promise<Response>): Promise<void> {
  const got = await pending;
  expect([got.status, got.headers.get('location')]).toEqual([303, expect.stringContaining('/interaction/')]);
}

async function expectRefused(pending: Promise<Response>): Promise<string> {
  const got = await pending;
  expect([got.status, got.headers.get('location')]).toEqual([400, null]);
  const text = await got.text();
  expect(text).toContain('invalid_client');
  return text;
}

test('the metadata says that documents are read [S1.22]', async () => {
  const metadata = await (await fetch(`${t.url}/.well-known/oauth-authorization-server`)).json();
  expect(metadata).toMatchObject({
    client_id_metadata_document_supported: true,
    registration_endpoint: `${t.issuer}/register`,
  });
});

test('a client is what its document says, with nothing registered [A14]', async () => {
  fresh();
  answer = json(
    document({ application_type: 'web', scope: 'unknown', grant_types: ['password', 'authorization_code'] }),
  );
  await expectConsent(authorize(id));
  const client = await t.server.provider.Client.find(id);
  expect(client).toMatchObject({ clientName: 'A client of the web', tokenEndpointAuthMethod: 'none' });
  expect(client?.grantTypes).toEqual(['authorization_code']);
  expect(await t.database.sql('select 1 from gateway.oauth_clients')).toEqual([]);
  expect((await authorize(id, 'https://client.example/other')).status).toBe(400);
});

test('a document of a native client leaves the loopback port open', async () => {
  fresh();
  answer = json(document({ redirect_uris: ['http://127.0.0.1/callback', 'https://client.example/callback'] }));
  await expectConsent(authorize(id, 'http://127.0.0.1:51234/callback'));
  await expectConsent(authorize(id));
  expect((await authorize(id, 'http://127.0.0.1:51234/other')).status).toBe(400);
});

describe('what a document must be', () => {
  const refusals: readonly (readonly [string, () => RequestListener])[] = [
    ['another client_id', () => json(document({ client_id: `${id}?` }))],
    ['a client_id in other letters', () => json(document({ client_id: id.replace('docs', 'DOCS') }))],
    ['no client_name', () => json(document({ client_name: undefined }))],
    ['an empty client_name', () => json(document({ client_name: ' ' }))],
    ['no redirect_uris', () => json(document({ redirect_uris: undefined }))],
    ['a dangerous redirect URI', () => json(document({ redirect_uris: [redirectUri, 'javascript:alert(1)'] }))],
    ['a secret', () => json(document({ client_secret: 'x' }))],
    ['a secret without end', () => json(document({ client_secret_expires_at: 0 }))],
    ['a shared secret', () => json(document({ token_endpoint_auth_method: 'client_secret_basic' }))],
    ['private_key_jwt without keys', () => json(document({ token_endpoint_auth_method: 'private_key_jwt' }))],
    ['a logo without TLS', () => json(document({ logo_uri: 'http://client.example/logo.png' }))],
    ['a page', () => json(document(), { 'content-type': 'text/html' })],
    ['no content type', () => (_req, res) => void res.end(JSON.stringify(document()))],
    ['a list', () => json([document()])],
    ['no JSON', () => (_req, res) => void res.writeHead(200, { 'content-type': 'application/json' }).end('{')],
    ['more than 5 KiB', () => json(document({ filler: 'x'.repeat(6 * 1024) }))],
    ['not found', () => (_req, res) => void res.writeHead(404, { 'content-type': 'application/json' }).end('{}')],
    [
      'created',
      () => (_req, res) =>
        void res.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(document())),
    ],
    ['a broken connection', () => (req) => void req.socket.destroy()],
  ];

  test.each(refusals)('%s is refused as invalid_client [A14]', async (_what, makeAnswer) => {
    fresh();
    answer = makeAnswer();
    await expectRefused(authorize(id));
    expect(asked).toBe(1);
  });

  test('JSON of a type of its own is JSON [A14]', async () => {
    fresh();
    answer = json(document(), { 'content-type': 'application/client-metadata+json; charset=utf-8' });
    await expectConsent(authorize(id));
  });

  test('who answers a byte at a time is given three seconds [A14]', async () => {
    fresh();
    answer = (_req, res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      const drip = setInterval(() => res.write(' '), 50);
      res.on('close', () => clearInterval(drip));
    };
    const before = performance.now();
    await expectRefused(authorize(id));
    expect(performance.now() - before).toBeLessThan(3500);
  });
});

describe('where a document may lie', () => {
  test.each([
    'http://docs.example/client.json',
    'https://docs.example',
    'https://docs.example/',
    'https://docs.example?x=/client.json',
    'https://docs.example/../client.json',
    'https://docs.example/a/%2e%2E/client.json',
    'https://docs.example/./client.json',
    'https://docs.example/..',
    'https://docs.example/client.json#x',
    'https://user@docs.example/client.json',
    'https://user:password@docs.example/client.json',
    'https:/docs.example/client.json',
    'https:\\\\docs.example\\client.json',
    'https://docs.example\\@evil.com/client.json',
    'https://docs.example/client json',
    'https://docs.example/client\tjson',
    'https://docs。example/client.json',
    'HTTPS://docs.example/client.json',
    `https://docs.example/${'x'.repeat(2048)}`,
    'ftp://docs.example/client.json',
    'javascript://docs.example/%0aalert(1)',
  ])('%j is no address of a document, and nothing is fetched [A14]', async (url) => {
    fresh();
    expect(isDocumentUrl(url)).toBe(false);
    expect((await authorize(url)).status).toBe(400);
    expect(asked).toBe(0);
  });

  test('nobody makes us reach into this machine or this network, however it is spelled [A14]', async () => {
    const { port } = listening;
    const before = connections;
    const hosts = [
      ...['127.0.0.1', '127.1', '0177.0.0.1', '0x7f000001', '2130706433', '0', '0.0.0.0', '[::]', '[::1]'],
      ...['[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::ffff:a9fe:a9fe]', '[::127.0.0.1]', '[64:ff9b::7f00:1]'],
      ...['[2002:7f00:1::]', '[fd00::1]', '[fe80::1]', '10.0.0.1', '172.16.0.1', '192.168.1.1', '100.64.0.1'],
      ...['169.254.169.254', '[fd00:ec2::254]', '224.0.0.1', '255.255.255.255', 'localhost', 'LOCALHOST'],
      ...['localhost.', 'x.localhost', 'metadata.google.internal', 'private.example'],
    ];
    answer = (req, res) => json(document({ client_id: `https://${req.headers.host}/client.json` }))(req, res);
    for (const [i, host] of hosts.entries()) {
      const started = performance.now();
      const page = await expectRefused(authorize(`https://${host}:${port}/client-${i}.json`));
      expect(page, host).toContain('cannot be fetched');
      expect(performance.now() - started, host).toBeLessThan(3500);
    }
    expect(connections).toBe(before);
  });

  test('a redirect is not followed, into this network or elsewhere [A14]', async () => {
    let reached = 0;
    const sink = await listenOnLoopback(createPlainServer((_req, res) => void res.end(String(reached++))));
    for (const status of [301, 302, 303, 307, 308]) {
      fresh();
      answer = (_req, res) => void res.writeHead(status, { location: `http://127.0.0.1:${sink.port}/` }).end();
      await expectRefused(authorize(id));
    }
    expect(reached).toBe(0);
    await sink.close();
  });

  test("what is wrong inside our network is nobody's business [A14]", async () => {
    const refused = await expectRefused(authorize(`https://10.1.2.3:${listening.port}/client.json`));
    const closed = await expectRefused(authorize('https://private.example:1/client.json'));
    for (const text of [refused, closed]) expect(text).not.toMatch(/10\.1\.2\.3|ECONN|address|TargetRefused/);
  });
});

describe('remembering', () => {
  test('a document is asked for once in five minutes at most, many askers at once included', async () => {
    fresh();
    answer = json(document(), { 'cache-control': 'no-store' });
    await Promise.all(Array.from({ length: 10 }, () => expectConsent(authorize(id))));
    clock.advance(299_000);
    await expectConsent(authorize(id));
    expect(asked).toBe(1);
    clock.advance(2000);
    await expectConsent(authorize(id));
    expect(asked).toBe(2);
  });

  test.each([
    ['its own max-age', { 'cache-control': 'public, max-age=3600' }, 3600],
    ['its own Expires', 'expires', 7200],
    ['never more than a day', { 'cache-control': 'max-age=31536000' }, 86_400],
  ] as const)('it is good for %s [A15]', async (_what, headers, seconds) => {
    fresh();
    const expires = { expires: new Date(clock.now() + 7_201_000).toUTCString() };
    answer = json(document(), headers === 'expires' ? expires : headers);
    await expectConsent(authorize(id));
    clock.advance((seconds - 5) * 1000);
    await expectConsent(authorize(id));
    expect(asked).toBe(1);
    clock.advance(10_000);
    await expectConsent(authorize(id));
    expect(asked).toBe(2);
  });

  test('a bad document is not asked for again within a minute [A14]', async () => {
    fresh();
    answer = json(document({ client_id: 'other' }));
    await expectRefused(authorize(id));
    answer = json(document());
    clock.advance(59_000);
    await expectRefused(authorize(id));
    expect(asked).toBe(1);
    clock.advance(2000);
    await expectConsent(authorize(id));
  });

  test('a document that changes is another client to agree to [A15]', async () => {
    fresh();
    answer = json(document());
    await expectConsent(authorize(id));
    const before = await t.server.provider.Client.find(id);
    answer = json(document({ redirect_uris: [redirectUri, 'https://evil.example/callback'] }));
    clock.advance(301_000);
    await expectConsent(authorize(id));
    const after = await t.server.provider.Client.find(id);
    if (!before || !after) throw new Error('the client is not known');
    expect(after.redirectUriAllowed('https://evil.example/callback')).toBe(true);
    expect(fingerprintOf(after)).not.toBe(fingerprintOf(before));
    answer = json(document({ logo_uri: 'https://client.example/other.png' }));
    clock.advance(301_000);
    const again = await t.server.provider.Client.find(id);
    expect(again && fingerprintOf(again)).toBe(fingerprintOf(before));
  });

  test('one address has sixty documents fetched in a minute [A14]', async () => {
    const limited = await openTestServer({ clock, fetch: egress.fetch, trustedProxies: ['127.0.0.1'] });
    const from = (address: string, url: string) =>
      fetch(`${limited.url}/authorize?client_id=${encodeURIComponent(url)}`, {
        headers: { 'x-forwarded-for': address },
      });
    answer = json({});
    for (let i = 0; i < 70; i++) await (await from('203.0.113.7', fresh())).text();
    const before = connections;
    asked = 0;
    expect(await (await from('203.0.113.7', fresh())).text()).toContain('too many');
    expect([asked, connections]).toEqual([0, before]);
    await (await from('203.0.113.8', fresh())).text();
    expect(asked).toBe(1);
    await limited.close();
  });

  test('without a way to the Internet, programs that have nothing but a document sign in all the same', async () => {
    const claudeCode = 'https://claude.ai/oauth/claude-code-client-metadata';
    const codex = 'https://chatgpt.com/oauth/codex/client.json';
    await expectConsent(authorize(claudeCode, 'http://localhost:53898/callback'));
    await expectConsent(authorize(codex, 'http://127.0.0.1:37329/callback'));
    for (const elsewhere of ['https://claude.ai/callback', 'http://127.0.0.1:37329/other', 'http://10.0.0.1/callback'])
      expect((await authorize(claudeCode, elsewhere)).status).toBe(400);
    await expectRefused(authorize('https://claude.ai/oauth/another', 'http://localhost:53898/callback'));
  });

  test('switched off, a document is nobody [A14]', async () => {
    const off = await openTestServer({ clock, fetch: egress.fetch, settings: { clientMetadataDocuments: false } });
    fresh();
    answer = json(document());
    expect((await authorize(id, redirectUri, off)).status).toBe(400);
    expect(asked).toBe(0);
    const metadata = await (await fetch(`${off.url}/.well-known/oauth-authorization-server`)).json();
    expect(metadata).not.toHaveProperty('client_id_metadata_document_supported');
    await off.close();
  });
});
