import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Secret } from '#core/secret.ts';
import { toolCall } from '#kit/drive.ts';
import { openApiUpstream } from '#kit/openapi-upstream.ts';
import { type RestApi, startRestApi } from '#kit/rest-api.ts';

/** Two keys at once, as some APIs have them (OpenAPI 3.1, 4.8.30: all schemes of one object). */
const schemes = {
  app: { type: 'apiKey', in: 'header', name: 'X-App' },
  user: { type: 'apiKey', in: 'query', name: 'key' },
  token: { type: 'oauth2', flows: {} },
  other: { type: 'http', scheme: 'bearer' },
};
const operations = { both: [{ app: [], user: [] }], easy: [{ app: [], user: [] }, { token: [] }], one: [{ app: [] }] };
const keys = { app: 'key-of-the-application', user: 'key-of-the-user' };

let api: RestApi;
let subject: ReturnType<typeof openApiUpstream>;

beforeAll(async () => {
  api = await startRestApi();
  api.answerWith((req, res) => {
    const isRefused = req.headers['x-app'] === 'key-that-is-too-old';
    res.writeHead(isRefused ? 401 : 200, { 'content-type': 'application/json' });
    res.end(JSON.stringify({ seen: req.headers['x-app'] ?? null }));
    return true;
  });
  const security = { same: [{ token: [], other: [] }], open: [], ...operations };
  const paths = Object.entries(security).map(([name, wanted]) => {
    return [`/${name}`, { get: { operationId: name, security: wanted, responses: {} } }];
  });
  subject = openApiUpstream({
    ...{ openapi: '3.1.0', info: { title: 'Keys', version: '1' }, servers: [{ url: api.url }] },
    ...{ paths: Object.fromEntries(paths), components: { securitySchemes: schemes } },
  });
});
afterAll(async () => {
  await subject.upstream.close();
  await api.close();
});

const withSecret = (value: string) => ({ credential: new Secret(value), credentialKey: 'one' });

describe('schemes that are wanted together', () => {
  test('are met by a credential with a part for each', async () => {
    await subject.call('both', {}, withSecret(JSON.stringify(keys)));
    expect(api.last()).toMatchObject({ url: `/both?key=${keys.user}`, headers: { 'x-app': keys.app } });
  });

  test('are not met by one key: nothing is sent, the answer says what to store and not what is stored [F9]', async () => {
    const before = api.calls.length;
    for (const held of ['one-key-for-two-schemes', JSON.stringify({ app: keys.app })]) {
      const { isError, content } = await subject.call('both', {}, withSecret(held));
      expect(isError).toBe(true);
      expect(content[0]?.text).toContain('"app" (header x-app), "user" (query key)');
      expect(content[0]?.text).toContain('{"app": "…", "user": "…"}');
      expect(content[0]?.text).not.toMatch(/one-key-for|key-of-the/);
    }
    expect(api.calls.length).toBe(before);
  });

  test('give way to an alternative of one scheme; two that go to one place are one', async () => {
    for (const name of ['easy', 'same']) {
      await subject.call(name, {}, withSecret('a-single-key'));
      expect(api.last()).toMatchObject({ url: `/${name}`, headers: { authorization: 'Bearer a-single-key' } });
      expect(api.last().headers['x-app']).toBeUndefined();
    }
  });

  test('a credential with parts serves operations that want one of them', async () => {
    await subject.call('one', {}, withSecret(JSON.stringify(keys)));
    expect(api.last().headers['x-app']).toBe(keys.app);
    expect(api.last().url).toBe('/one');
  });
});

describe('a 401 of the API', () => {
  test('says which credential it refused and what to do, never the secret [F9]', async () => {
    const { error } = await subject.ask(toolCall(1, 'one'), withSecret('key-that-is-too-old'));
    expect(error).toMatchObject({ code: 'upstream_refused' });
    expect(error?.message).toContain('"app" (header x-app)');
    expect(error?.message).toContain('server "rest"');
    expect(error?.message).not.toContain('too-old');
  });

  test('without a credential says that there is none, or that none is wanted', async () => {
    api.answerWith((_req, res) => {
      res.writeHead(401, { 'content-type': 'text/plain' }).end('who are you?');
      return true;
    });
    const missing = await subject.call('both');
    expect(missing.content[0]?.text).toMatch(/HTTP 401 .*\n.*has no credential .*"app" \(header x-app\)/);
    const needless = await subject.call('open', {}, withSecret('a-single-key'));
    expect(needless.content[0]?.text).toMatch(/HTTP 401 .*\n.*document says that this operation needs none/);
    expect(api.last().headers.authorization).toBeUndefined();
  });
});
