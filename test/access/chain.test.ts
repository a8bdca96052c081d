/**
 * The chain of the multi-tenant gateway (REQUIREMENTS S3.2): an edge far away, a reverse proxy, this gateway beside Open
 * WebUI, PostgreSQL and Redis behind. Where nginx is installed; Redis where it is.
 */
import { createServer } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AccessWorld, signWebui, startAccessWorld } from '#kit/access-world.ts';
import { bearer, send } from '#kit/http-client.ts';
import { listenOnLoopback } from '#kit/listen.ts';
import { hasNginx, type Nginx, startNginx } from '#kit/nginx.ts';
import { hasRedis, type RedisServer, startRedis } from '#kit/redis-server.ts';

let world: AccessWorld;
let nginx: Nginx;
let redis: RedisServer | undefined;
let webui: { readonly port: number; close(): Promise<void> };
const isPossible = hasNginx();

beforeAll(async () => {
  if (!isPossible) return;
  redis = hasRedis ? await startRedis() : undefined;
  world = await startAccessWorld({
    ...{ people: ['ann'], servers: ['files'], trusted: true, hasShort: false, era: 'legacy' },
    env: { TRUSTED_PROXIES: '127.0.0.0/8', ...(redis && { REDIS_URL: redis.url }) },
    yaml: 'enablements: [{ organization: acme, server: files, allMembers: true }]',
  });
  webui = await listenOnLoopback(
    createServer((_req, res) => void res.writeHead(200, { 'content-type': 'text/html' }).end('Open WebUI')),
  );
  nginx = await startNginx(`
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto https;
    location / { proxy_pass http://127.0.0.1:${webui.port}; }
    location ~ ^/(servers|mcp|meta|openapi\\.json|api/servers|mcp-admin/api|gateway)(/|$) { proxy_pass ${world.app.url}; }`);
}, 60_000);
afterAll(async () => {
  await nginx?.close();
  await webui?.close();
  await world?.close();
  await redis?.close();
});

test.skipIf(!isPossible)(
  'through edge and proxy the pages are Open WebUI’s, tools this gateway’s, and the client is who it was at the edge [S3.2] [S3.35]',
  async () => {
    const edge = { 'x-forwarded-for': '203.0.113.50', 'user-agent': 'chain/1' };
    const page = await send(`${nginx.url}/`, { method: 'GET', headers: edge });
    expect(page.text).toBe('Open WebUI');
    expect((await send(`${nginx.url}/gateway/health`, { method: 'GET', headers: edge })).json).toMatchObject({
      ...{ status: 'healthy', database: 'connected' },
    });
    const ann = { ...edge, ...bearer(await signWebui('ann')) };
    const servers = await send(`${nginx.url}/servers`, { method: 'GET', headers: ann });
    expect(servers.json).toMatchObject({ total_servers: 1, servers: [{ id: 'files' }] });
    const forged = { ...ann, 'x-user-email': 'boss@example.com', 'x-user-admin': 'true' };
    const done = await send(`${nginx.url}/mcp/files/retrieve`, {
      headers: { ...forged, accept: 'application/json' },
      body: {},
    });
    expect(done.status).toBe(200);
    expect(world.upstream.upstream.requests.at(-1)?.headers).toMatchObject({
      'x-user-email': expect.stringMatching(/^ann@/i),
      'x-user-admin': 'false',
    });
    const rows = () =>
      world.database.sql(
        `select distinct client_ip, user_email from mcp_proxy.api_analytics where user_agent = 'chain/1' and user_email is not null`,
      );
    await expect
      .poll(rows, { timeout: 10_000 })
      .toEqual([{ client_ip: '203.0.113.50', user_email: expect.stringMatching(/^ann@/i) }]);
  },
);
