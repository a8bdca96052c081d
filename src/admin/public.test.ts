import fastify from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { findInstalledBin } from './demo.ts';
import { publicPlugin } from './public.ts';

let ready = true;
const app = fastify({ routerOptions: { ignoreTrailingSlash: true } });

beforeAll(async () => {
  const baseUrl = () => 'http://gw.example';
  await app.register(
    publicPlugin({ clock: systemClock, ready: () => ready, baseUrl, version: '1.2.3', demo: true, signIn: false }),
  );
  await app.ready();
});
afterAll(() => app.close());

test('the official servers are found where they are installed, and nothing where they are not', () => {
  expect(findInstalledBin('@modelcontextprotocol/server-everything')).toMatch(/server-everything\/dist\/index\.js$/);
  expect(findInstalledBin('@modelcontextprotocol/server-nothing')).toBeUndefined();
});

test.each(['/health', '/health/', '/health?a=b'])('%s says it is healthy and names nothing [S4.9]', async (url) => {
  const response = await app.inject({ url });
  expect(response.statusCode).toBe(200);
  expect(response.json()).toEqual({ status: 'healthy', timestamp: expect.any(String), servers: {} });
  expect(new Date(response.json().timestamp).toISOString()).toBe(response.json().timestamp);
});

test('the welcome page says that setup is complete, without script [S0.11]', async () => {
  const response = await app.inject({ url: '/welcome' });
  expect(response.statusCode).toBe(200);
  expect(response.headers['content-type']).toBe('text/html; charset=utf-8');
  expect(response.body.toLowerCase()).toContain('setup complete');
  expect(response.body).not.toContain('<script');
  const policy = String(response.headers['content-security-policy']);
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe');
});

test('readiness follows the gateway', async () => {
  expect((await app.inject({ url: '/ready' })).json()).toEqual({ status: 'ready' });
  ready = false;
  expect((await app.inject({ url: '/ready' })).statusCode).toBe(503);
});

test('a browser that was pointed at the root is welcomed; a program is told that nothing is there', async () => {
  const page = await app.inject({ url: '/', headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } });
  expect([page.statusCode, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
  expect(page.body).toContain('Gatehouse is running');
  for (const accept of ['*/*', 'application/json']) {
    expect((await app.inject({ url: '/', headers: { accept } })).statusCode).toBe(404);
  }
});
