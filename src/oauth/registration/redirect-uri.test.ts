import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTestServer, registerClient, type TestClient, type TestServer } from '#kit/oauth.ts';
import { redirectKindOf } from './redirect-uri.ts';

let t: TestServer;
beforeAll(async () => {
  const settings = { registration: { enabled: true, perAddressPerHour: 100_000, pending: 100_000 } };
  t = await openTestServer({ settings });
});
afterAll(() => t.close());

const dangerous = [
  'javascript:alert(1)',
  'JavaScript:alert(1)',
  'javascript://app.example/%0aalert(1)',
  'data:text/html,<script>alert(1)</script>',
  'data:text/html;base64,PHNjcmlwdD4=',
  'vbscript:msgbox(1)',
  'file:///etc/passwd',
  'about:blank',
  'blob:https://app.example/1',
  'filesystem:https://app.example/x',
  'view-source:https://app.example/cb',
  'intent://scan/#Intent;scheme=zxing;end',
  'intent:cb',
  'ws://app.example/cb',
  'wss://app.example/cb',
  'ftp://app.example/cb',
  'mailto:me@app.example',
  'urn:ietf:wg:oauth:2.0:oob:auto',
  'urn:example:cb',
  'http://app.example/cb',
  'HTTP://app.example/cb',
  'http://localhost.evil.com/cb',
  'http://localhost@evil.com/cb',
  'http://localhost:3000@evil.com/cb',
  'http://127.0.0.1.evil.com/cb',
  'http://127.1/cb',
  'http://127.0.0.2/cb',
  'http://2130706433/cb',
  'http://0x7f000001/cb',
  'http://0.0.0.0/cb',
  'http://[::]/cb',
  'http://[::ffff:127.0.0.1]/cb',
  'http://localhost./cb',
  'http:localhost/cb',
  'http:/localhost/cb',
  'http://localhost:x/cb',
  'http://localhost:99999/cb',
  'http://localhost\\@evil.com/cb',
  'https://app.example/cb#fragment',
  'https://app.example/cb#',
  'https://user@app.example/cb',
  'https://user:password@app.example/cb',
  'https://@app.example/cb',
  'https://*.app.example/cb',
  'https://app.example/*',
  'https://app.example\\cb',
  'https:\\\\app.example/cb',
  'https:/app.example/cb',
  'https:app.example/cb',
  'https:///cb',
  'https://app%2eexample/cb',
  'https://app。example/cb',
  'https://аpp.example/cb',
  'https://app.example/cb\r\nLocation: https://evil.com',
  'https://app.example/c b',
  ' https://app.example/cb',
  'https://app.example/cb ',
  '//app.example/cb',
  '/cb',
  'cb',
  '',
  ':',
  'c:\\windows',
  'com.app:',
  'myapp://user:password@x/cb',
  'myapp://cb#fragment',
  `https://app.example/${'x'.repeat(2048)}`,
];

const fine = [
  'https://app.example/cb',
  'https://app.example:8443/cb?x=1',
  'https://app.example',
  'https://[2001:db8::1]/cb',
  'http://localhost/cb',
  'http://localhost:3000/cb',
  'http://127.0.0.1:1/cb',
  'http://[::1]:4000/',
  'http://localhost:33418?x=1',
  'cursor://anysphere.cursor-retrieval/oauth/user-acme/callback',
  'vscode://vscode.github-authentication/did-authenticate',
  'com.example.app:/cb',
  'com.example.app://cb',
  'urn:ietf:wg:oauth:2.0:oob',
];

describe('at registration', () => {
  test.each(dangerous)('%j is refused as invalid_redirect_uri [S1.7] [A5] [X1.3]', async (uri) => {
    const answer = await fetch(`${t.url}/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ redirect_uris: [uri] }),
    });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: 'invalid_redirect_uri' });
  });

  test.each(fine)('%j is accepted [S1.7]', async (uri) => {
    const { metadata } = await registerClient(t, { redirect_uris: [uri] });
    expect(metadata.redirect_uris).toEqual([uri]);
    expect(metadata.application_type).toBe(uri.startsWith('https:') ? 'web' : 'native');
  });

  test('whatever is accepted, a browser takes it to an https host, this machine, or an application [A5] [X1.3]', () => {
    const host = fc.oneof(
      fc.domain(),
      fc.ipV4(),
      fc.constantFrom('localhost', '127.0.0.1', '[::1]', 'localhost.evil.com'),
    );
    const piece = fc.constantFrom('@', '\\', '/', '//', '#', '?', ':', '%2e', '\t', '.', '*', 'a');
    const uri = fc
      .tuple(
        fc.constantFrom('http', 'https', 'javascript', 'data', 'myapp', 'HTTPS'),
        piece,
        piece,
        host,
        piece,
        host,
        piece,
      )
      .map(([scheme, ...rest]) => `${scheme}:${rest.join('')}`);
    fc.assert(
      fc.property(
        fc.oneof(
          uri,
          fc.webUrl().map((url) => url.replace('https', 'http')),
          fc.string(),
        ),
        (text) => {
          const kind = redirectKindOf(text);
          if (kind === undefined || kind === 'out-of-band') return;
          const { protocol, hostname, hash, username } = new URL(text);
          expect([hash, username]).toEqual(['', '']);
          expect(['javascript:', 'data:', 'vbscript:', 'file:', 'blob:', 'about:']).not.toContain(protocol);
          if (protocol === 'http:') expect(['localhost', '127.0.0.1', '[::1]']).toContain(hostname);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

/** The answer of the real endpoint, as a browser gets it. */
function authorize(client: TestClient, redirectUris: readonly string[], more: Record<string, string> = {}) {
  const query = new URLSearchParams({
    client_id: client.id,
    response_type: 'code',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    state: 'abc',
    ...more,
  });
  for (const uri of redirectUris) query.append('redirect_uri', uri);
  return fetch(`${t.url}/authorize?${query}`, { redirect: 'manual', headers: { accept: 'text/html' } });
}

async function expectPage(answer: Response, uri: string): Promise<void> {
  expect([answer.status, answer.headers.get('location')], uri).toEqual([400, null]);
  expect(answer.headers.get('content-type'), uri).toMatch(/^text\/html/);
  await answer.body?.cancel();
}

async function expectConsent(answer: Response): Promise<void> {
  expect(answer.status).toBe(303);
  expect(answer.headers.get('location')).toMatch(/\/interaction\//);
}

const registered = 'https://app.example/cb';
const tricky = [
  `${registered}/`,
  `${registered}?x=1`,
  `${registered}?`,
  `${registered}#f`,
  `${registered}%2f`,
  `${registered}/../cb`,
  'https://app.example/./cb',
  'https://app.example//cb',
  'https://app.example/x/../cb',
  'https://app.example/%63b',
  'https://app.example/CB',
  '//app.example/cb',
  'https:/app.example/cb',
  'https:\\app.example/cb',
  'https:\\\\app.example\\cb',
  'HTTPS://app.example/cb',
  'https://APP.example/cb',
  'https://app.example:443/cb',
  'https://app.example:8443/cb',
  'https://app.example./cb',
  'https://app.example@evil.com/cb',
  'https://evil.com/https://app.example/cb',
  'https://app.example.evil.com/cb',
  'https://evil.com#@app.example/cb',
  'https://evil.com\\@app.example/cb',
  'https://evil.com/\\app.example/cb',
  'https://app.example%00.evil.com/cb',
  'https://app.example%2eevil.com/cb',
  'https://app.example\t/cb',
  'https://app.example/cb\t',
  'https://app.example/cb\n',
  'https://app.example/cb\0',
  ` ${registered}`,
  `${registered} `,
  `${registered}%0d%0aLocation:%20https://evil.com`,
  `${registered}\r\nLocation: https://evil.com`,
  'https://аpp.example/cb',
  'https://app。example/cb',
  'https://app．example/cb',
  'https://ⓐpp.example/cb',
  'http://app.example/cb',
  'javascript:alert(1)',
  'data:text/html,x',
  'vbscript:x',
  'file:///',
  'about:blank',
  'blob:https://app.example/cb',
  'urn:ietf:wg:oauth:2.0:oob',
  'intent://app.example/cb',
  '',
  'null',
  'https://app.example',
  'https://app.example/',
  `${registered}/${'x'.repeat(10_000)}`,
  'https://*.example/cb',
  'https://app.example/*',
  'https://user@app.example/cb',
  'https://@app.example/cb',
  'https://app.example/cb;x',
  'https://app.example/cb&x=1',
];

describe('at the authorization endpoint', () => {
  test('the registered URI leads on, byte for byte; every lookalike gets a page and never a redirect [A4] [X1.3] [S1.7]', async () => {
    const client = await registerClient(t, { redirect_uris: [registered] });
    await expectConsent(await authorize(client, [registered]));
    for (const uri of tricky) await expectPage(await authorize(client, [uri]), uri);
    await expectPage(await authorize(client, [registered, 'https://evil.com/']), 'two of them');
    await expectPage(await authorize(client, ['https://evil.com/', registered]), 'two of them');
    await expectPage(await authorize(client, []), 'none');
  });

  test('a wrong URI stays a page when the request is wrong in other ways, too [A4] [A6]', async () => {
    const client = await registerClient(t, { redirect_uris: [registered] });
    const wrong = ['response_type=token', 'scope=nonsense', 'prompt=none', 'request=x', 'code_challenge='];
    for (const more of wrong)
      await expectPage(
        await authorize(client, ['https://evil.com/cb'], Object.fromEntries(new URLSearchParams(more))),
        more,
      );
  });

  test('an unknown client gets the same kind of page as a wrong URI [A25]', async () => {
    const client = await registerClient(t, { redirect_uris: [registered] });
    const unknown = await authorize({ ...client, id: 'client_0123456789abcdef' }, [registered]);
    await expectPage(unknown, 'unknown client');
    await expectPage(await authorize({ ...client, id: 'client_\0' }, [registered]), 'no id at all');
  });

  test.each([
    ['http://127.0.0.1:3000/cb', ['http://127.0.0.1:4000/cb', 'http://127.0.0.1/cb']],
    ['http://[::1]/cb', ['http://[::1]:4000/cb']],
    ['http://localhost:3000/cb', ['http://localhost:4000/cb', 'http://localhost/cb']],
  ])('on loopback (%s) any port will do, and nothing else [A4]', async (loopback, others) => {
    const client = await registerClient(t, { redirect_uris: [loopback] });
    for (const uri of [loopback, ...others]) await expectConsent(await authorize(client, [uri]));
    for (const uri of [
      loopback.replace('/cb', '/other'),
      loopback.replace('/cb', '/cb/..'),
      loopback.replace('/cb', '/cb?x'),
      loopback.replace('http:', 'https:'),
      loopback.replace('http://', 'http://user@'),
      loopback.replace(/localhost|127\.0\.0\.1|\[::1\]/, '127.1'),
      loopback.replace(/localhost|127\.0\.0\.1|\[::1\]/, '0.0.0.0'),
      loopback.replace(/localhost|127\.0\.0\.1|\[::1\]/, 'LOCALHOST'),
      loopback.replace(/localhost|127\.0\.0\.1|\[::1\]/, 'localhost.evil.com'),
      loopback.replace(/localhost|127\.0\.0\.1|\[::1\]/, '127.0.0.1.evil.com'),
      'http://127.0.0.1:@evil.com/cb',
      'http://localhost:3000@evil.com/cb',
      'http://localhost:99999/cb',
      loopback.includes('localhost') ? 'http://127.0.0.1:3000/cb' : 'http://localhost:3000/cb',
    ])
      await expectPage(await authorize(client, [uri]), uri);
  });

  test("an application's own scheme is compared byte for byte [A4]", async () => {
    const client = await registerClient(t, { redirect_uris: ['com.app:/cb'] });
    await expectConsent(await authorize(client, ['com.app:/cb']));
    for (const uri of ['com.app://cb', 'com.app:cb', 'COM.APP:/cb', 'com.app.evil:/cb', 'com.app:///cb'])
      await expectPage(await authorize(client, [uri]), uri);
  });

  test('no change to the registered URI leads anywhere [A4]', async () => {
    const client = await registerClient(t, { redirect_uris: [registered] });
    const mark = fc.constantFrom(
      '/',
      '.',
      '@',
      '#',
      '?',
      '\\',
      '%',
      '%2f',
      ':',
      '*',
      '\t',
      '\0',
      ' ',
      'x',
      '。',
      '..',
      ';',
      '&',
    );
    const changed = fc.oneof(
      fc
        .tuple(fc.nat({ max: registered.length }), fc.nat({ max: 3 }), fc.array(mark, { maxLength: 3 }))
        .map(([at, gone, marks]) => registered.slice(0, at) + marks.join('') + registered.slice(at + gone)),
      fc.webUrl({ withQueryParameters: true }),
      fc.tuple(mark, mark).map(([a, b]) => `https://evil.com${a}${b}app.example/cb`),
    );
    await fc.assert(
      fc.asyncProperty(changed, async (uri) => {
        fc.pre(uri !== registered);
        await expectPage(await authorize(client, [uri]), uri);
      }),
      { numRuns: 150 },
    );
  });

  test('a code for "out of band" is shown on our page, and so is a refusal [S1.12]', async () => {
    const client = await registerClient(t, { redirect_uris: ['urn:ietf:wg:oauth:2.0:oob'] });
    const refused = await authorize(client, ['urn:ietf:wg:oauth:2.0:oob'], { prompt: 'none' });
    expect(refused.status).toBe(303);
    const to = new URL(refused.headers.get('location') ?? '');
    expect([`${t.issuer}/error`, `${t.issuer}/success`]).toContain(to.origin + to.pathname);
    expect(to.searchParams.get('error')).toMatch(/_required$/);
  });
});
