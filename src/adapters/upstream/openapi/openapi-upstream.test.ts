import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Secret } from '#core/secret.ts';
import { notification, rpc, toolCall } from '#kit/drive.ts';
import { openApiUpstream } from '#kit/openapi-upstream.ts';
import { type RestApi, restToken, startRestApi } from '#kit/rest-api.ts';
import { restDocument } from '#kit/rest-document.ts';

let api: RestApi;
let subject: ReturnType<typeof openApiUpstream>;
const credential = { credential: new Secret(restToken), credentialKey: 'one' };
const roadmap = { owner: 'acme', repo: 'roadmap' };

beforeAll(async () => {
  api = await startRestApi();
  subject = openApiUpstream(restDocument(api.url));
});
afterAll(async () => {
  await subject.upstream.close();
  await api.close();
});

describe('what an API looks like', () => {
  test('a legacy client initializes, pings and lists without a session', async () => {
    const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } };
    const opened = await subject.ask(rpc(0, 'initialize', params));
    expect(opened.result).toMatchObject({ protocolVersion: '2025-06-18', serverInfo: { name: 'Roadmap REST API' } });
    expect(opened.headers['mcp-session-id']).toBeUndefined();
    expect((await subject.ask(notification('notifications/initialized'))).status).toBe(202);
    expect((await subject.ask(rpc(1, 'ping'))).result).toEqual({});
    expect((await subject.ask({ method: 'GET', body: undefined })).status).toBe(405);
    expect((await subject.ask(rpc(2, 'prompts/list'))).error).toMatchObject({ code: -32601 });
  });

  test('a modern one discovers, and another revision is refused by name', async () => {
    const modern = (version: string) => ({ _meta: { 'io.modelcontextprotocol/protocolVersion': version } });
    const found = await subject.ask(rpc(1, 'server/discover', modern('2026-07-28')), { era: 'modern' });
    expect(found.result).toMatchObject({ resultType: 'complete', supportedVersions: ['2026-07-28'] });
    const refused = await subject.ask(rpc(1, 'tools/list', modern('2027-01-01')), { era: 'modern' });
    expect(refused).toMatchObject({ status: 400, error: { code: -32022 } });
  });

  test('operations are tools: names, schemas, annotations [S3.23]', async () => {
    const { result } = await subject.ask(rpc(1, 'tools/list'));
    const tools = new Map(result?.tools.map((tool) => [tool.name, tool]));
    expect([...tools.keys()]).toEqual([
      ...['repos_get', 'issues_list-for-repo', 'issues_create', 'issues_get', 'issues_delete', 'rate-limit_get', 'old'],
    ]);
    const create = tools.get('issues_create');
    expect(Object.keys(create?.inputSchema.properties ?? {})).toEqual([
      'owner',
      'repo',
      'title',
      'body',
      'assignee',
      'labels',
    ]);
    expect(create?.inputSchema.required).toEqual(['owner', 'repo', 'title']);
    expect(create?.inputSchema.properties.assignee).toEqual({ type: ['string', 'null'] });
    expect(tools.get('issues_get')).toMatchObject({
      annotations: { readOnlyHint: true },
      outputSchema: { type: 'object', properties: { number: { type: ['number', 'null'] }, user: {} } },
    });
    expect(tools.get('issues_delete')?.annotations).toMatchObject({ destructiveHint: true, idempotentHint: true });
    expect(tools.get('repos_get')?.outputSchema).toMatchObject({
      properties: { id: {}, full_name: {}, description: {} },
    });
  });

  test('the document is read once, however many calls there are', async () => {
    await Promise.all([1, 2, 3].map((id) => subject.ask(rpc(id, 'tools/list'))));
    expect(subject.reads()).toBe(1);
  });
});

describe('calls', () => {
  test('a JSON object is structured content, under the credential that the document asks for', async () => {
    const result = await subject.call('issues_get', { ...roadmap, issue_number: 2 }, credential);
    expect(result).toMatchObject({ structuredContent: { number: 2, title: 'Issue 2', body: null } });
    expect(JSON.parse(result.content[0]?.text ?? '')).toMatchObject({ number: 2 });
    expect(api.last()).toMatchObject({ method: 'GET', url: '/api/v3/repos/acme/roadmap/issues/2' });
    expect(api.last().headers).toMatchObject({ authorization: `Bearer ${restToken}`, 'accept-encoding': 'identity' });
  });

  test('a list is wrapped, and the next page is an argument', async () => {
    const result = await subject.call('issues_list-for-repo', { ...roadmap, per_page: 2 }, credential);
    expect(result.structuredContent).toMatchObject({ items: [{ number: 1 }, { number: 2 }] });
    expect(result._meta).toMatchObject({ 'io.gatehouse/next': { arguments: { page: '2' } } });
    expect(result.content.at(-1)?.text).toContain('page=2');
    const last = await subject.call('issues_list-for-repo', { ...roadmap, per_page: 2, page: 3 }, credential);
    expect(last._meta).not.toHaveProperty(['io.gatehouse/next']);
  });

  test('a body is sent as JSON, a 204 has no content', async () => {
    const made = await subject.call('issues_create', { ...roadmap, title: 'New', labels: ['a'] }, credential);
    expect(JSON.parse(api.last().body)).toEqual({ title: 'New', labels: ['a'] });
    expect(api.last().headers['content-type']).toBe('application/json');
    expect(made.structuredContent).toMatchObject({ title: 'New' });
    const gone = await subject.call('issues_delete', { ...roadmap, issue_number: 1 }, credential);
    expect(gone.content[0]?.text).toContain('204');
  });

  test('refusals are told with their status: 404, 422, and when to try again', async () => {
    const missing = await subject.call('issues_get', { ...roadmap, issue_number: 99 }, credential);
    expect(missing).toMatchObject({ isError: true, _meta: { 'io.gatehouse/httpStatus': 404 } });
    const invalid = await subject.call('issues_create', { ...roadmap, title: '' }, credential);
    expect(invalid.content[0]?.text).toMatch(/HTTP 422[\s\S]*missing_field/);
    const limited = await subject.call('rate-limit_get', {}, credential);
    expect(limited).toMatchObject({ isError: true, _meta: { 'io.gatehouse/retryAfter': '30' } });
    expect(limited.content[0]?.text).toContain('Try again after 30 seconds');
  });

  test('a refused credential is one of the server, so that the gateway may renew it', async () => {
    const outcome = await subject.ask(toolCall(1, 'repos_get', roadmap), { credential: new Secret('ghp_old-token') });
    expect(outcome.error).toMatchObject({ code: 'upstream_refused' });
    expect((await subject.call('repos_get', roadmap)).isError).toBe(true);
  });

  test('an echoed credential is not handed on [F9]', async () => {
    api.answerWith((req, res) => {
      res.writeHead(500, { 'content-type': 'text/plain' }).end(`you sent ${req.headers.authorization}`);
      return true;
    });
    const result = await subject.call('repos_get', roadmap, credential);
    api.answerWith(undefined);
    expect(result.content[0]?.text).toContain('[redacted]');
    expect(JSON.stringify(result)).not.toContain(restToken);
  });

  test('wrong arguments never leave: the answer says what is wrong', async () => {
    const before = api.calls.length;
    const wrong = await subject.call('issues_get', { owner: 'acme', issue_number: 'x' }, credential);
    expect(wrong).toMatchObject({ isError: true });
    expect(wrong.content[0]?.text).toContain('missing: repo');
    expect(
      (await subject.call('issues_get', { ...roadmap, issue_number: 1, extra: 1 }, credential)).content[0]?.text,
    ).toContain('unknown: extra');
    expect((await subject.ask(toolCall(1, 'no_such_tool'))).error).toMatchObject({ code: -32602 });
    expect(api.calls.length).toBe(before);
  });
});

describe('answers of all kinds', () => {
  const answering = async (headers: Record<string, string>, body: string | Buffer, status = 200) => {
    api.answerWith((_req, res) => {
      res.writeHead(status, headers).end(body);
      return true;
    });
    const outcome = await subject.ask(toolCall(1, 'rate-limit_get'), credential);
    api.answerWith(undefined);
    return outcome;
  };

  test('images, binaries and text', async () => {
    expect((await answering({ 'content-type': 'image/png' }, 'PNG')).result?.content).toEqual([
      { type: 'image', data: Buffer.from('PNG').toString('base64'), mimeType: 'image/png' },
    ]);
    expect((await answering({ 'content-type': 'application/zip' }, 'PK')).result?.content[0]).toMatchObject({
      type: 'resource',
      resource: { mimeType: 'application/zip', blob: Buffer.from('PK').toString('base64') },
    });
    expect((await answering({ 'content-type': 'text/plain' }, 'hello')).result?.content[0]?.text).toBe('hello');
  });

  test('what is too long is cut, or refused where half of it is nothing', async () => {
    const long = 'x'.repeat(100_000);
    expect((await answering({ 'content-type': 'text/plain' }, long)).result?.content[0]?.text).toContain(
      '[cut off after 65536 bytes',
    );
    expect((await answering({ 'content-type': 'application/zip' }, long)).result).toMatchObject({ isError: true });
  });

  test('a compressed answer, which nobody asked for, is broken [E12]', async () => {
    const { error } = await answering({ 'content-type': 'text/plain', 'content-encoding': 'gzip' }, 'x');
    expect(error).toMatchObject({ code: 'upstream_broken' });
  });

  test('a redirect to another origin is told, not followed: the credential stays here [S4]', async () => {
    const other = await startRestApi();
    const told = await answering({ location: `${other.url}/steal` }, '', 302);
    expect(told.result).toMatchObject({ isError: true });
    expect(other.calls).toEqual([]);
    await other.close();
  });

  test('a redirect inside the origin is followed for reading', async () => {
    let hops = 0;
    api.answerWith((req, res) => {
      if (req.url !== '/api/v3/rate_limit') return false;
      hops++;
      res.writeHead(301, { location: '/api/v3/repos/acme/roadmap' }).end();
      return true;
    });
    expect((await subject.call('rate-limit_get', {}, credential)).structuredContent).toMatchObject({ id: 7 });
    api.answerWith(undefined);
    expect(hops).toBe(1);
  });

  test('silence ends with upstream_timeout, and nothing is heard after an abort', async () => {
    api.answerWith(() => true);
    const timeouts = { headersMs: 0, idleMs: 0, totalMs: 30 };
    const late = await subject.ask(toolCall(1, 'rate-limit_get'), { ...credential, timeouts });
    api.answerWith(undefined);
    expect(late.error).toMatchObject({ code: 'upstream_timeout' });
  });
});
