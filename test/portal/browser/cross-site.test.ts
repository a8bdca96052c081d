/** Another site in the same browser: it can send, it can frame, and it gets nothing (SECURITY H2, A18). */
import { createServer } from 'node:http';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, whySkipped } from '#kit/chromium.ts';
import { type Listening, listenOnLoopback } from '#kit/listen.ts';
import { openPortalInBrowser, type PortalInBrowser } from '#kit/portal-browser.ts';

const suite = `another site in Chromium${chromiumPath === undefined ? ` (${whySkipped})` : ''}`;

describe.skipIf(chromiumPath === undefined)(suite, () => {
  let t: PortalInBrowser;
  let evil: Listening;
  let port: number;
  beforeAll(async () => {
    t = await openPortalInBrowser();
    const says = '<!doctype html><title>evil</title><h1>evil</h1>';
    evil = await listenOnLoopback(
      createServer((_, res) => res.writeHead(200, { 'content-type': 'text/html' }).end(says)),
    );
    ({ port } = evil);
  }, 180_000);
  afterAll(async () => {
    await evil?.close();
    await t?.close();
  });

  const count = async (table: string) =>
    (await t.database.sql(`select count(*)::int as n from gateway.${table}`))[0]?.n;
  const api = () => `${t.url}/admin/api/v1/organizations/acme`;

  const fetched = (page: Page, url: string, init: object) =>
    page.evaluate<string>(
      `fetch(${JSON.stringify(url)}, ${JSON.stringify({ credentials: 'include', ...init })}).then((r) => r.type + ' ' + r.status, () => 'refused')`,
    );

  /** The same site to a browser, and another one: a cookie of ours goes along with the first. */
  for (const host of ['localhost', '127.0.0.1']) {
    test(`from ${host}: forms and requests change and read nothing [H2]`, { timeout: 120_000 }, async () => {
      const { page, context } = await t.visitor('ada');
      expect(await (await context.request.get(`${api()}/keys`)).json()).toHaveProperty('items');
      const before = [await count('api_keys'), await count('groups'), await count('portal_sessions')];
      await page.goto(`http://${host}:${port}/`);
      for (const enctype of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
        for (const target of [`${api()}/keys`, `${api()}/groups`, `${t.url}/admin/api/v1/servers`]) {
          const answered = page.waitForResponse((response) => response.url() === target);
          await page.evaluate(`(() => {
            const form = document.createElement('form');
            Object.assign(form, { method: 'post', enctype: ${JSON.stringify(enctype)}, action: ${JSON.stringify(target)} });
            const input = document.createElement('input');
            Object.assign(input, { name: '{"name":"evil","x":"', value: '"}' });
            form.append(input); document.body.append(form); form.submit();
          })()`);
          expect((await answered).status()).toBeGreaterThanOrEqual(400);
          await page.waitForURL(target);
          await page.goto(`http://${host}:${port}/`);
        }
      }
      const body = JSON.stringify({ name: 'evil' });
      for (const init of [
        { method: 'POST', mode: 'no-cors', body },
        { method: 'POST', mode: 'cors', body, headers: { 'content-type': 'application/json' } },
        { method: 'POST', mode: 'cors', body, headers: { 'content-type': 'application/json', 'x-csrf-token': 'x' } },
        { method: 'GET', mode: 'cors' },
      ]) {
        const said = await fetched(page, `${api()}/keys`, init);
        expect([init.mode, ['refused', 'opaque 0'].includes(said)]).toEqual([init.mode, true]);
      }
      expect(await fetched(page, `${t.url}/admin/api/v1/session`, { method: 'DELETE', mode: 'cors' })).toBe('refused');
      expect([await count('api_keys'), await count('groups'), await count('portal_sessions')]).toEqual(before);
      await context.close();
    });

    test(`from ${host}: no page of ours is framed [A18]`, { timeout: 120_000 }, async () => {
      const { page, context } = await t.visitor('ada');
      for (const path of ['/admin', '/me', '/mcp-admin/sign-in', '/mcp-admin/signed-out']) {
        await page.goto(`http://${host}:${port}/`);
        await page.evaluate(`new Promise((done) => {
          const frame = document.createElement('iframe');
          frame.onload = done; frame.onerror = done;
          frame.src = ${JSON.stringify(t.url + path)};
          document.body.append(frame);
        })`);
        const [, frame] = page.frames();
        const shown = (await frame?.content()) ?? '';
        expect([path, frame?.url().startsWith('chrome-error:'), shown.includes('Gatehouse')]).toEqual([
          path,
          true,
          false,
        ]);
      }
      await context.close();
    });
  }
});
