/** The doors beside MCP: control plane, admin API, metrics, and what stands between them and the data plane. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKey } from '#kit/gateway.ts';
import { bearer, call, send } from '#kit/http-client.ts';
import { sendRaw } from '#kit/raw-client.ts';
import { startWorld, type World } from '#kit/world.ts';

const extraYaml = `
limits: { principal: { requestsPerMinute: 60 }, address: { requestsPerMinute: 100000, authPerMinute: 100000 } }
`;

describe('doors beside MCP', () => {
  let world: World;
  let token: string;
  beforeAll(async () => {
    world = await startWorld({ extraYaml });
    token = readFileSync(join(world.gateway.dataDir, 'admin.token'), 'utf8').trim();
  });
  afterAll(() => world?.close());

  const raw = async (head: string, body = '') => {
    const { answers } = await sendRaw(world.port, `${head}\r\n\r\n${body}`, { timeoutMs: 3000 });
    return answers[0];
  };
  const admin = (path: string, headers: Record<string, string> = {}) =>
    send(`${world.gateway.url}/admin/api/v1${path}`, { method: 'GET', headers: { ...bearer(token), ...headers } });

  test('a name that is not ours reaches neither pages nor metrics nor the admin API; probes by address do [E13] [C14]', async () => {
    for (const path of ['/metrics', '/welcome', '/admin/api/v1/status', '/.well-known/oauth-protected-resource', '/']) {
      const answer = await raw(
        `GET ${path} HTTP/1.1\r\nHost: evil.example:${world.port}\r\nAuthorization: Bearer ${token}`,
      );
      expect([path, answer?.status]).toEqual([path, 421]);
    }
    for (const path of ['/health', '/ready'])
      expect((await raw(`GET ${path} HTTP/1.1\r\nHost: 10.1.2.3:3000`))?.status).toBe(200);
    const twice = `GET /welcome HTTP/1.1\r\nHost: 127.0.0.1:${world.port}\r\nHost: evil.example`;
    expect((await raw(twice))?.status).toBe(400);
  });

  test('metrics and the admin token are for this machine: whatever a proxy passed on is not [B13]', async () => {
    expect((await send(`${world.gateway.url}/metrics`, { method: 'GET' })).status).toBe(200);
    expect((await admin('/status')).status).toBe(200);
    const marks = ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip', 'x-forwarded-host', 'x-forwarded-proto'];
    for (const name of marks) {
      const headers = { [name]: '127.0.0.1' };
      const metrics = await send(`${world.gateway.url}/metrics`, { method: 'GET', headers });
      expect([name, metrics.status, (await admin('/status', headers)).status]).toEqual([name, 403, 401]);
    }
  });

  test('no spelling of an admin path is more allowed than the plain one [E20]', async () => {
    const odd = [
      '/admin//api/v1/status',
      '//admin/api/v1/status',
      '/./admin/api/v1/status',
      '/x/../admin/api/v1/status',
      '/admin%2fapi/v1/status',
      '/%61dmin/api/v1/status',
      '/admin/api/v1/status;x',
      '/ADMIN/api/v1/status',
      `http://127.0.0.1:${world.port}/admin/api/v1/status`,
      '/admin/api/v1/status/',
      '/admin\\api/v1/status',
      '/admin/mcp',
      '/admin/mcp/x',
      '/demo/mcp/../../admin/api/v1/status',
      '/demo/mcp/open/../../../admin/api/v1/status',
    ];
    for (const path of odd) {
      const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${world.port}`);
      expect([path, [400, 401, 404].includes(answer?.status ?? 0)]).toEqual([path, true]);
      expect(answer?.body).not.toContain('version');
    }
    const tunnelled = await raw(
      `GET /admin/api/v1/organizations HTTP/1.1\r\nHost: 127.0.0.1:${world.port}\r\nX-HTTP-Method-Override: POST\r\nX-Original-URL: /health`,
    );
    expect(tunnelled?.status).toBe(401);
  });

  test('bodies that pollute, overflow or are no JSON are refused without a word of what is inside', async () => {
    const post = (body: string, headers: Record<string, string> = {}) =>
      send(`${world.gateway.url}/admin/api/v1/organizations`, { headers: { ...bearer(token), ...headers }, body });
    const bad = [
      '{"__proto__":{"x":1},"slug":"p","name":"P"}',
      '{"constructor":{"prototype":{"x":1}},"slug":"p","name":"P"}',
      '[]',
      'null',
      '"x"',
      '{',
      `{"slug":"${'x'.repeat(300_000)}"}`,
    ];
    for (const body of bad) {
      const { status, text } = await post(body);
      expect([body.slice(0, 30), status >= 400 && status < 500]).toEqual([body.slice(0, 30), true]);
      expect(text).not.toMatch(/node_modules|at .*\.ts|FST_/);
    }
    expect((await post('{"slug":"p","name":"P"}', { 'content-type': 'text/plain' })).status).toBe(415);
    for (const query of ['__proto__[x]=1', 'constructor=1', '__proto__=1', 'x=1&x=2', '%00=1']) {
      expect([query, (await admin(`/organizations?${query}`)).status < 500]).toEqual([query, true]);
    }
    expect((await admin('/status')).status).toBe(200);
  });

  test('guessing at the admin API is counted per address, and ends in 429 [H5]', async () => {
    const world = await startWorld({ extraYaml: 'limits: { address: { requestsPerMinute: 5 } }\n' });
    const statuses: number[] = [];
    for (let i = 0; i < 8; i++) {
      const headers = bearer(i % 2 === 0 ? `gw_guess${i}` : `guess${i}`);
      statuses.push((await send(`${world.gateway.url}/admin/api/v1/status`, { method: 'GET', headers })).status);
    }
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
    await world.gateway.cli('org', 'list');
    await world.close();
  });

  test('an organization cannot send its credential as an identity or framing header [E3]', async () => {
    const key = await createKey(world.gateway, 'demo', '--roles', 'admin:*');
    for (const name of [
      'X-User-Email',
      'x-gateway-validated',
      'X-Organization-Id',
      'Host',
      'Content-Length',
      'Mcp-Session-Id',
      'Transfer-Encoding',
    ]) {
      const answer = await send(`${world.gateway.url}/admin/api/v1/organizations/demo/collections`, {
        headers: bearer(key),
        body: {
          name: 'forged',
          allowedRoles: '*',
          bindings: [{ server: 'plain', credential: 'm-secret', header: { name, template: 'boss@other.example{}' } }],
        },
      });
      expect([name, answer.status]).toEqual([name, 400]);
      expect(answer.text).toContain('sets itself');
    }
  });

  test('who asks for what is not theirs is counted like anybody else [E17]', async () => {
    const key = await createKey(world.gateway);
    const statuses: number[] = [];
    for (let i = 0; i < 70; i++) {
      const url = `${world.gateway.url}/stranger-${i}/mcp/open`;
      statuses.push((await send(url, { headers: bearer(key), body: call('echo') })).status);
    }
    expect(statuses.slice(0, 60)).toEqual(Array(60).fill(403));
    expect(statuses.slice(60)).toEqual(Array(10).fill(429));
  });

  test('a foreign organization and none at all are answered alike, by every way of naming one [C12]', async () => {
    const key = await createKey(world.gateway);
    const shape = ({ status, text, headers }: Awaited<ReturnType<typeof send>>) => {
      const { 'x-request-id': _id, date: _date, ...rest } = headers;
      return JSON.stringify([status, text, rest]).replaceAll(/(other|nobody)/g, 'ORG');
    };
    const ask = (path: string, headers: Record<string, string> = {}) =>
      send(world.gateway.url + path, { headers: { ...bearer(key), ...headers }, body: call('echo') });
    expect(shape(await ask('/other/mcp/secret'))).toBe(shape(await ask('/nobody/mcp/secret')));
    expect(shape(await ask('/other/mcp/none'))).toBe(shape(await ask('/nobody/mcp/none')));
    expect(shape(await ask('/other/mcp'))).toBe(shape(await ask('/nobody/mcp')));
    const selected = (org: string) => ask('/mcp/secret', { 'x-organization-id': org });
    expect(shape(await selected('other'))).toBe(shape(await selected('nobody')));
    expect((await ask('/mcp/open')).status).toBe(200);
    for (const odd of ['', ' ', '../demo', "x' or 1=1--", 'a'.repeat(5000), '__proto__', 'constructor', '\xe4'])
      expect([odd.slice(0, 9), (await selected(odd)).status]).toEqual([
        odd.slice(0, 9),
        odd.trim() === '' ? expect.any(Number) : 403,
      ]);
  });
});
