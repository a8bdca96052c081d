import { afterAll, beforeAll, expect, test } from 'vitest';
import { send } from '#kit/http-client.ts';
import { type RecordingLog, recordingLog } from '#kit/identity/recording-log.ts';
import { openTestServer, postForm, registerClient, type TestServer } from '#kit/oauth.ts';

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
