/** The shipped configurations of edges, read by the real programs where they are installed. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { reservedSegments } from '#core/reserved.ts';
import { createSelfSigned } from '#kit/identity/self-signed.ts';
import { findInstalled } from '#kit/installed.ts';
import { makeIncludes } from '#scripts/includes.ts';

const read = (path: string) => readFileSync(path, 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-edges-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const haproxy = findInstalled('haproxy', '-v');
const caddy = findInstalled('caddy', 'version');

test.skipIf(haproxy === undefined)(
  'HAProxy accepts the configuration of the replicas (skipped without haproxy)',
  () => {
    const { cert, key } = createSelfSigned(['mcp.example.com']);
    writeFileSync(join(folder, 'gatehouse.pem'), `${cert}\n${key}\n`);
    const file = join(folder, 'haproxy.cfg');
    writeFileSync(file, read('deploy/replicas/haproxy.cfg').replace('/certs/', `${folder}/`));
    execFileSync(haproxy ?? '', ['-c', '-q', '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  },
);

test('HAProxy asks /ready, sets what is believed itself, and never sends a call twice', () => {
  const text = read('deploy/replicas/haproxy.cfg');
  expect(text).toContain('http-check send meth GET uri /ready');
  expect(text).toContain('http-request del-header X-Forwarded-For');
  expect(text).toMatch(/retry-on conn-failure\n/);
  expect([...text.matchAll(/^ {4}server (\S+) (\S+)$/gm)].map((match) => match.slice(1))).toEqual(
    [1, 2, 3].map((number) => [`gatehouse-${number}`, `gatehouse-${number}:3000`]),
  );
  const { services } = parse(read('deploy/replicas/compose.yml'), { merge: true });
  expect(Object.keys(services)).toEqual(expect.arrayContaining(['gatehouse-1', 'gatehouse-2', 'gatehouse-3']));
});

const caddyfiles = ['deploy/caddy/Caddyfile', 'deploy/caddy/Caddyfile.open-webui'];

describe.skipIf(caddy === undefined)('Caddy accepts (skipped without caddy)', () => {
  test.each(caddyfiles)('%s, with certificates of its own, an address for their issuer, and given ones', (file) => {
    for (const tls of ['', 'tls ops@example.com', 'tls /certs/cert.pem /certs/key.pem']) {
      const env = { PATH: process.env.PATH, HOME: folder, GATEWAY_DOMAIN: 'mcp.example.com', CADDY_TLS: tls };
      const adapted = execFileSync(caddy ?? '', ['adapt', '--adapter', 'caddyfile', '--config', file], {
        env,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      expect(JSON.stringify(JSON.parse(adapted).apps.http)).toContain('mcp.example.com');
      expect(adapted.includes('ops@example.com')).toBe(tls.includes('@'));
      expect(adapted.includes('/certs/cert.pem')).toBe(tls.includes('/certs'));
    }
  });
});

/** First segments of ours that nothing outside asks for by name, or that are pages of Open WebUI there. */
const notAtTheEdge = new Set([
  ...['api', 'admin', 'portal', 'health', 'metrics', 'docs', 'assets', 'static', 'ws', 'verify', 'oauth', 'auth'],
  ...['login', 'logout', 'consent', 'openapi', 'favicon', 'robots', 'well-known', 'keys', 'v0', 'v0.1'],
]);

test('beside Open WebUI every path of the gateway leads to it, pages and sockets to Open WebUI', () => {
  const text = read('deploy/caddy/Caddyfile.open-webui');
  const [, list = ''] = /@gatehouse path (.+)/.exec(text) ?? [];
  const segments = new Set(list.split(' ').map((path) => path.split('/')[1]));
  expect([...reservedSegments].filter((segment) => !segments.has(segment) && !notAtTheEdge.has(segment))).toEqual([]);
  expect(segments.has('.well-known')).toBe(true);
  expect(segments.has('ws')).toBe(false);
  for (const page of ['users', 'groups', 'servers', 'endpoints', 'tenant-keys', 'analytics'])
    expect(text).toContain(`/admin/${page}`);
  expect(text).toMatch(/redir \/portal \/mcp-admin permanent/);
  expect(text).toMatch(/handle \/health \{\s+respond "OK"/);
});

const router = z.object({
  rule: z.string(),
  priority: z.number(),
  entryPoints: z.array(z.string()),
  service: z.string(),
  middlewares: z.array(z.string()).default([]),
});
const dynamic = z.object({
  http: z.object({
    routers: z.record(z.string(), router),
    middlewares: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
    services: z.record(z.string(), z.unknown()).default({}),
  }),
});
/** As Traefik's templates fill it in. */
const filled = (text: string) =>
  text.replaceAll('{{ env "BASE_DOMAIN" }}', 'mcp.example.com').replaceAll('{{ env "MCP_BRIDGE_TOKEN" }}', 'token');

describe('Traefik', () => {
  const ours = dynamic.parse(parse(filled(read('deploy/traefik/dynamic.yml')))).http;
  const servers = makeIncludes({
    ...{ BASE_DOMAIN: 'mcp.example.com', MCP_CORS_ORIGINS: 'https://app.example' },
    ...{ MCP_MEMORY_ENABLED: 'true', MCP_TIME_ENABLED: 'true' },
  });
  const theirs = dynamic.parse(parse(servers['servers.yml'])).http;
  const priorities = (routers: typeof ours.routers) =>
    Object.fromEntries(Object.entries(routers).map(([name, { priority }]) => [name, priority]));

  test('asks in the order discovery, preflight, sign-in, verify, MCP, everything else [S1.1]', () => {
    expect(priorities(ours.routers)).toEqual({
      ...{ discovery: 10, preflight: 6, registration: 5, 'sign-in': 4, verify: 3, mcp: 2, rest: 1 },
    });
    for (const { rule, entryPoints, service } of Object.values(ours.routers)) {
      expect(rule).toMatch(/^Host\(`auth\.mcp\.example\.com`\)/);
      expect([entryPoints, service]).toEqual([['websecure'], 'gatehouse']);
    }
    expect(priorities(theirs.routers)).toMatchObject({
      ...{ 'mcp-memory-discovery': 10, 'mcp-memory-preflight': 6, 'mcp-memory-mcp': 2, 'mcp-memory-rest': 1 },
    });
  });

  test('asks the gateway before a program, which is sent no token of a caller [S1.1] [S1.2]', () => {
    for (const name of ['mcp-memory-mcp', 'mcp-memory-rest'])
      expect(theirs.routers[name]).toMatchObject({
        service: 'mcp-memory',
        middlewares: ['cors', 'gatehouse', 'bridge-token'],
      });
    expect(theirs.routers['mcp-memory-discovery']).toMatchObject({ service: 'gatehouse', middlewares: [] });
    expect(ours.middlewares.gatehouse?.forwardAuth).toEqual({
      address: 'http://gatehouse:3000/verify',
      authResponseHeaders: ['X-User-Id', 'X-User-Name', 'X-User-Email', 'X-Organization-Id'],
    });
    expect(ours.middlewares['bridge-token']).toEqual({
      headers: { customRequestHeaders: { Authorization: 'Bearer token' } },
    });
    const command: readonly string[] = parse(read('deploy/traefik/compose.yml')).services['mcp-memory']?.command ?? [];
    expect(command.join()).not.toMatch(/oauth|jwt/i);
  });

  test('names only routers, middlewares and targets that there are', () => {
    const middlewares = new Set([...Object.keys(ours.middlewares), ...Object.keys(theirs.middlewares)]);
    const targets = new Set([...Object.keys(ours.services), ...Object.keys(theirs.services)]);
    for (const one of [...Object.values(ours.routers), ...Object.values(theirs.routers)]) {
      expect(targets).toContain(one.service);
      for (const name of one.middlewares) expect(middlewares).toContain(name);
    }
  });

  test('leads builtin servers to the gateway, each under its own host [S1.4]', () => {
    const { rule, service, middlewares } = theirs.routers['mcp-time-mcp'] ?? expect.fail();
    expect([rule, service, middlewares]).toEqual([
      ...['Host(`mcp-time.mcp.example.com`) && PathPrefix(`/mcp`)', 'gatehouse', []],
    ]);
  });

  test('redirects plain HTTP, last of all, and has certificates made [S1.1] [S1.44]', () => {
    const command: readonly string[] = parse(read('deploy/traefik/compose.yml')).services.traefik.command;
    for (const flag of [
      '--entrypoints.web.http.redirections.entrypoint.to=websecure',
      '--entrypoints.web.http.redirections.entrypoint.priority=1',
      '--entrypoints.websecure.http.tls.certresolver=letsencrypt',
      '--certificatesresolvers.letsencrypt.acme.tlschallenge=true',
    ])
      expect(command).toContain(flag);
  });
});
