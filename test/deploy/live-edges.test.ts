/** The shipped edges, run: Traefik's and Caddy's own programs in front of a real gateway. Skipped where they are not installed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, request as requestPlain } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSelfSigned } from '#kit/identity/self-signed.ts';
import { findInstalled } from '#kit/installed.ts';
import { freePort, listenOnLoopback } from '#kit/listen.ts';
import { type Person, type SignedInWorld, startSignedInWorld } from '#kit/signed-in-world.ts';
import { makeIncludes } from '#scripts/includes.ts';

const traefik = findInstalled('traefik', 'version');
const caddy = findInstalled('caddy', 'version');
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-live-edges-'));
const running: ChildProcess[] = [];
const domain = 'mcp.example.com';
const guarded = `mcp-memory.${domain}`;
const pair = createSelfSigned([guarded, `auth.${domain}`, `mcp-time.${domain}`, 'nobody.example']);

let world: SignedInWorld;
let person: Person;

beforeAll(async () => {
  if (traefik === undefined && caddy === undefined) return;
  writeFileSync(join(folder, 'cert.pem'), pair.cert);
  writeFileSync(join(folder, 'key.pem'), pair.key, { mode: 0o600 });
  world = await startSignedInWorld({
    domain,
    resources: [`https://${guarded}/mcp`],
    env: { TRUSTED_PROXIES: '127.0.0.1', MCP_TIME_ENABLED: 'true' },
    extraYaml: '',
  });
  person = await world.signIn({ resource: `https://${guarded}/mcp` });
}, 120_000);
afterAll(async () => {
  for (const child of running) child.kill('SIGKILL');
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Asked {
  readonly host?: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** By the name that is asked for, at a port of this machine. */
function ask(
  port: number,
  { host = guarded, path = '/mcp', method = 'POST', headers = {}, body }: Asked,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sending = request(
      { host: '127.0.0.1', port, servername: host, ca: pair.cert, path, method, headers: { host, ...headers } },
      (res) => {
        let text = '';
        res.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, text }));
      },
    );
    sending.on('error', reject);
    sending.end(body);
  });
}

const ping = {
  headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
};
const withToken = (token: string) => ({ ...ping, headers: { ...ping.headers, authorization: `Bearer ${token}` } });

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 150; tries++) {
    if (await holds().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect.fail('it does not answer');
}

function start(program: string, args: readonly string[], env: Readonly<Record<string, string>>): void {
  const child = spawn(program, args, { env: { PATH: process.env.PATH, HOME: folder, ...env }, stdio: 'ignore' });
  process.once('exit', () => child.kill('SIGKILL'));
  running.push(child);
}

const hostOf = (url: string | undefined) => new URL(url ?? '').host;

describe.skipIf(traefik === undefined)('Traefik with the shipped routers (skipped without traefik)', () => {
  let secure: number;
  let plain: number;
  beforeAll(async () => {
    [secure, plain] = [await freePort(), await freePort()];
    const made = makeIncludes({
      ...{ BASE_DOMAIN: domain, MCP_MEMORY_ENABLED: 'true', MCP_TIME_ENABLED: 'true' },
      MCP_CORS_ORIGINS: 'https://app.example',
    });
    const here = (text: string) =>
      text
        .replaceAll('gatehouse:3000', hostOf(world.gateways[0]?.url))
        .replaceAll('mcp-memory:3000', hostOf(world.upstream.url));
    const dynamic = join(folder, 'dynamic');
    mkdirSync(dynamic);
    writeFileSync(join(dynamic, 'gatehouse.yml'), here(readFileSync('deploy/traefik/dynamic.yml', 'utf8')));
    writeFileSync(join(dynamic, 'servers.yml'), here(made['servers.yml']));
    const files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
    writeFileSync(
      join(dynamic, 'tls.yml'),
      JSON.stringify({ tls: { certificates: [files], stores: { default: { defaultCertificate: files } } } }),
    );
    start(
      traefik ?? '',
      [
        `--providers.file.directory=${dynamic}`,
        `--entrypoints.web.address=127.0.0.1:${plain}`,
        '--entrypoints.web.http.redirections.entrypoint.to=websecure',
        '--entrypoints.web.http.redirections.entrypoint.permanent=true',
        '--entrypoints.web.http.redirections.entrypoint.priority=1',
        `--entrypoints.websecure.address=127.0.0.1:${secure}`,
        '--entrypoints.websecure.http.tls=true',
      ],
      { BASE_DOMAIN: domain, MCP_BRIDGE_TOKEN: 'token-of-the-bridge' },
    );
    await until(
      async () => (await ask(secure, { host: `auth.${domain}`, path: '/jwks', method: 'GET' })).status === 200,
    );
  }, 60_000);

  test('sends strangers to the sign-in of exactly that server [S1.1] [S1.4] [S1.24]', async () => {
    const answer = await ask(secure, ping);
    expect(answer.status).toBe(401);
    const metadata = `https://${guarded}/.well-known/oauth-protected-resource/mcp`;
    expect(answer.headers['www-authenticate']).toContain(`resource_metadata="${metadata}"`);
    const found = await ask(secure, { path: '/.well-known/oauth-protected-resource/mcp', method: 'GET' });
    expect([found.status, JSON.parse(found.text)]).toMatchObject([
      200,
      { resource: `https://${guarded}/mcp`, authorization_servers: [`https://auth.${domain}`] },
    ]);
  });

  test('passes a good token’s call on, without the token, and says who it is [S1.1] [S1.2] [S1.24]', async () => {
    world.upstream.clear();
    const answer = await ask(secure, {
      ...withToken(person.accessToken),
      headers: {
        ...withToken(person.accessToken).headers,
        'x-user-id': 'somebody-else',
        'x-forwarded-host': 'evil.example',
      },
    });
    expect(answer.status).toBe(200);
    const [seen] = world.upstream.requests;
    expect(seen?.headers).toMatchObject({
      authorization: 'Bearer token-of-the-bridge',
      'x-user-id': person.user.subject,
      'x-user-email': 'ada@example.com',
    });
    expect(JSON.stringify(seen?.headers)).not.toContain(person.accessToken);
  });

  test('passes nothing else on: another path, another token, a token for something else [S1.1] [S1.24]', async () => {
    world.upstream.clear();
    expect((await ask(secure, { ...ping, path: '/anything' })).status).toBe(403);
    expect((await ask(secure, withToken('nonsense'))).status).toBe(401);
    const other = await world.signIn({ resource: `https://auth.${domain}/acme/mcp/docs`, subject: 'other' });
    expect((await ask(secure, withToken(other.accessToken))).status).toBe(403);
    expect(world.upstream.requests).toEqual([]);
  });

  test('answers a preflight without a token, and leads everything of the sign-in to the gateway [S1.1] [S1.42]', async () => {
    const preflight = await ask(secure, {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
    });
    expect([preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([200, 'https://app.example']);
    const at = (path: string, host = `auth.${domain}`) => ask(secure, { host, path, method: 'GET' });
    expect((await at('/.well-known/oauth-authorization-server')).status).toBe(200);
    expect((await at('/authorize')).status).toBe(400);
    expect((await ask(secure, { ...ping, host: `auth.${domain}` })).status).toBe(401);
    expect((await ask(secure, { ...ping, host: `mcp-time.${domain}` })).status).toBe(401);
    expect((await at('/mcp', 'nobody.example')).status).toBe(404);
  });

  test('redirects plain HTTP [S1.1] [S1.44]', async () => {
    const [status, location] = await new Promise<readonly [number | undefined, string | undefined]>(
      (resolve, reject) => {
        const sending = requestPlain(
          { host: '127.0.0.1', port: plain, path: '/mcp', headers: { host: guarded } },
          (res) => {
            res.resume();
            resolve([res.statusCode, res.headers.location]);
          },
        );
        sending.on('error', reject).end();
      },
    );
    expect([status, location]).toEqual([
      301,
      expect.stringMatching(/^https:\/\/mcp-memory\.mcp\.example\.com(:\d+)?\/mcp$/),
    ]);
  });
});

describe.skipIf(caddy === undefined)('Caddy (skipped without caddy)', () => {
  const caddyfile = (name: string, text: string) => {
    const file = join(folder, name);
    // No listener for its own administration, none for plain HTTP.
    writeFileSync(file, `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${text}`);
    return file;
  };
  const tls = () => `tls ${folder}/cert.pem ${folder}/key.pem`;

  test('with the shipped file leads every path to the gateway, which sees who called [S2.1]', async () => {
    const port = await freePort();
    const file = caddyfile('Caddyfile', readFileSync('deploy/caddy/Caddyfile', 'utf8'));
    start(caddy ?? '', ['run', '--adapter', 'caddyfile', '--config', file], {
      ...{ GATEWAY_DOMAIN: `https://auth.${domain}:${port}`, CADDY_TLS: tls() },
      GATEHOUSE: hostOf(world.gateways[0]?.url),
    });
    const at = (path: string, more: Asked = {}) => ask(port, { host: `auth.${domain}`, path, method: 'GET', ...more });
    await until(async () => (await at('/health')).status === 200);
    expect((await at('/.well-known/oauth-authorization-server')).status).toBe(200);
    expect(
      (await at('/register', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } })).status,
    ).toBe(400);
    const answer = await at('/acme/mcp/docs', { method: 'POST', ...ping });
    expect(answer.status).toBe(401);
    expect(answer.headers['strict-transport-security']).toBe('max-age=31536000');
    expect(answer.headers['www-authenticate']).toContain(
      `https://auth.${domain}/.well-known/oauth-protected-resource/acme/mcp/docs`,
    );
  }, 30_000);

  test('with the guide’s forward_auth guards a server that knows nothing of OAuth [S1.24]', async () => {
    const port = await freePort();
    const [, shown = ''] =
      /## Caddy\n\n```\n([\s\S]*?)```/.exec(readFileSync('docs/guide/forward-authentication.md', 'utf8')) ?? [];
    const site = shown
      .replace('echo.example.com {', `https://${guarded}:${port} {\n\t${tls()}`)
      .replaceAll('gatehouse:3000', hostOf(world.gateways[0]?.url))
      .replaceAll('echo:8000', hostOf(world.upstream.url));
    start(caddy ?? '', ['run', '--adapter', 'caddyfile', '--config', caddyfile('Caddyfile.guarded', site)], {});
    await until(async () => (await ask(port, ping)).status === 401);
    world.upstream.clear();
    expect((await ask(port, { path: '/.well-known/oauth-protected-resource/mcp', method: 'GET' })).status).toBe(200);
    expect((await ask(port, withToken('nonsense'))).status).toBe(401);
    expect(world.upstream.requests).toEqual([]);
    expect((await ask(port, withToken(person.accessToken))).status).toBe(200);
    expect(world.upstream.requests[0]?.headers['x-user-id']).toBe(person.user.subject);
  }, 30_000);

  test('with the shipped file for Open WebUI divides the paths between it and the gateway [S3.2] [S3.10]', async () => {
    const seen: IncomingHttpHeaders[] = [];
    const webui = await listenOnLoopback(
      createServer((req, res) => {
        seen.push(req.headers);
        res.end('Open WebUI');
      }),
    );
    const port = await freePort();
    const [snippet = '', site = ''] = readFileSync('deploy/caddy/Caddyfile.open-webui', 'utf8').split(
      /\n(?=\{\$GATEWAY_DOMAIN\})/,
    );
    start(
      caddy ?? '',
      ['run', '--adapter', 'caddyfile', '--config', caddyfile('Caddyfile.webui', `${snippet}\n${site}`)],
      {
        ...{ GATEWAY_DOMAIN: `https://auth.${domain}:${port}`, CADDY_TLS: tls() },
        ...{ GATEHOUSE: hostOf(world.gateways[0]?.url), OPEN_WEBUI: `127.0.0.1:${webui.port}` },
      },
    );
    const at = (path: string, headers: Readonly<Record<string, string>> = {}) =>
      ask(port, { host: `auth.${domain}`, path, method: 'GET', headers });
    await until(async () => (await at('/health')).text === 'OK');
    const html = { accept: 'text/html' };
    const pages = [
      ['/', {}],
      ['/c/1', {}],
      ['/ws/socket.io/', {}],
      ['/static/app.js', {}],
      ['/admin/users', html],
    ] as const;
    for (const [path, headers] of pages)
      expect([path, (await at(path, { ...headers, 'x-user-email': 'boss@example.com' })).text]).toEqual([
        path,
        'Open WebUI',
      ]);
    for (const headers of seen) expect(headers).not.toHaveProperty('x-user-email');
    const ours = [
      '/mcp',
      '/servers',
      '/openapi.json',
      '/acme/mcp/docs',
      '/gateway/health',
      '/mcp-admin',
      '/admin/users',
      '/meta/stats',
    ];
    for (const path of ours) expect([path, (await at(path)).text]).not.toEqual([path, 'Open WebUI']);
    const moved = await at('/portal/anything');
    expect([moved.status, moved.headers.location]).toEqual([301, '/mcp-admin']);
    await webui.close();
  }, 30_000);
});
