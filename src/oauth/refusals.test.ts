import { afterAll, beforeAll, expect, test } from 'vitest';
import { send } from '#kit/http-client.ts';
import { type RecordingLog, recordingLog } from '#kit/identity/recording-log.ts';
import { openTestServer, postForm, registerClient, type TestServer } from '#kit/oauth.ts';
import { sqlOf } from '#kit/postgres.ts';

let t: TestServer;
const log: RecordingLog = recordingLog();
beforeAll(async () => {
  t = await openTestServer({ log });
});
afterAll(() => t.close());

test('a refused authorization request leaves its reason in the log', async () => {
  const client = await registerClient(t);
  const query = new URLSearchParams({ client_id: client.id, redirect_uri: 'https://evil.example/', state: 's' });
  await send(`${t.url}/authorize?${query}`, { method: 'GET', headers: { accept: 'text/html' } });
  expect(log.text()).toContain('warn sign-in: invalid_redirect_uri');
  expect(log.text()).toContain(`client: '${client.id}'`);
});

test('a refused token request leaves its reason in the log, and nothing that was sent', async () => {
  const client = await registerClient(t);
  const code = 'a-code-that-somebody-made-up';
  const form = { grant_type: 'authorization_code', client_id: client.id, code, redirect_uri: client.redirectUri };
  await postForm(`${t.url}/token`, { ...form, code_verifier: 'v'.repeat(43) });
  expect(log.text()).toContain('warn sign-in: invalid_grant');
  expect(log.text()).toContain("detail: 'authorization code not found'");
  expect(log.text()).not.toContain(code);
});

test('without its storage the server answers with a page or a document of ours, never with bare text', async () => {
  const broken = await openTestServer({ log });
  const client = await registerClient(broken);
  await sqlOf(broken.database.url, 'ALTER TABLE gateway.oauth_records RENAME TO away');
  const get = (path: string, accept: string) => send(`${broken.url}${path}`, { method: 'GET', headers: { accept } });
  const page = await get('/device', 'text/html');
  expect([page.status, page.headers['content-type']]).toEqual([500, 'text/html; charset=utf-8']);
  expect(page.text).toContain('Try again');
  expect(page.text).not.toContain('Code: <code>server_error</code><br>');
  const program = await get('/device', 'application/json');
  expect(program.status).toBe(500);
  expect(JSON.parse(program.text)).toMatchObject({ error: 'server_error' });
  const form = { grant_type: 'refresh_token', refresh_token: 'r'.repeat(43), client_id: client.id };
  const token = await fetch(`${broken.url}/token`, { method: 'POST', body: new URLSearchParams(form) });
  expect(token.status).toBe(500);
  expect(await token.text()).not.toContain('oops');
  await broken.close();
});
