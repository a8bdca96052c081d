/** What people come to the portal for, as they do it. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, whySkipped } from '#kit/chromium.ts';
import { openPortalInBrowser, type PortalInBrowser, settled } from '#kit/portal-browser.ts';
import { type FilledPortal, fillPortal, tell } from '#kit/portal-data.ts';
import { portalPassword } from '#kit/portal-world.ts';

const suite = `what people do in Chromium${chromiumPath === undefined ? ` (${whySkipped})` : ''}`;
const slow = { timeout: 120_000 };

describe.skipIf(chromiumPath === undefined)(suite, () => {
  let t: PortalInBrowser;
  let filled: FilledPortal;
  beforeAll(async () => {
    t = await openPortalInBrowser();
    filled = await fillPortal(t);
  }, 240_000);
  afterAll(async () => {
    await t?.close();
    await filled?.close();
  });

  const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });

  test('signing in leads to the page that was asked for, signing out to nothing [S3.25]', slow, async () => {
    const { page, context, complaints, close } = await t.visitor(undefined);
    await page.goto(`${t.url}/admin/o/acme/people?tab=groups`);
    await page.getByLabel('Username', { exact: true }).fill('ada');
    await page.getByLabel('Password', { exact: true }).fill(portalPassword);
    await page.keyboard.press('Enter');
    await page.waitForURL(`${t.url}/admin/o/acme/people?tab=groups`);
    await settled(page);
    await button(page, 'Account').click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.waitForURL(/signed-out/);
    expect((await context.cookies()).filter(({ name }) => name === 'gw_admin')).toEqual([]);
    await page.goto(`${t.url}/admin`);
    await page.getByLabel('Password', { exact: true }).waitFor();
    expect(complaints).toEqual([]);
    await close();
  });

  test('a session that has ended leads to the sign-in, and no further', slow, async () => {
    const { page, visit, close } = await t.visitor('ada');
    await visit('/admin/o/acme/people');
    await t.database.sql('delete from gateway.portal_sessions');
    await page.getByRole('tab', { name: 'Groups', exact: true }).click();
    await page.getByLabel('Password', { exact: true }).waitFor({ timeout: 45_000 });
    expect(page.url()).not.toContain('/admin/o/');
    await close();
  });

  test('the colours and the palette are found by the keyboard', slow, async () => {
    const { page, visit, complaints, close } = await t.visitor('ada');
    await visit('/admin/o/acme/settings');
    await page.keyboard.press('Control+k');
    await page.getByLabel('Page', { exact: true }).fill('users');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/people/);
    await settled(page);
    await button(page, 'Account').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('menuitem', { name: 'Dark' }).click();
    await expect.poll(() => page.locator('html').getAttribute('data-mantine-color-scheme')).toBe('dark');
    expect(complaints).toEqual([]);
    await close();
  });

  test('an API key is shown once, and works', slow, async () => {
    const { page, visit, complaints, close } = await t.visitor('ada');
    await visit('/admin/o/acme/keys?tab=callers');
    await button(page, 'New API key').first().click();
    await page.getByRole('dialog').getByLabel('Name').fill('from the portal');
    await page.keyboard.press('Enter');
    const shown = page.getByLabel('API key', { exact: true });
    await shown.waitFor();
    const key = (await shown.textContent())?.trim() ?? '';
    await button(page, 'I have kept it').click();
    await page.getByText('from the portal').first().waitFor();
    expect(await page.content()).not.toContain(key);
    await page.reload();
    await settled(page);
    await page.getByText('from the portal').first().waitFor();
    expect(await page.content()).not.toContain(key);
    const answer = await fetch(`${t.url}/acme/mcp`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
      },
      body: JSON.stringify({
        ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
        params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
      }),
    });
    expect(answer.status).toBe(200);
    expect(complaints).toEqual([]);
    await close();
  });

  test('a request is approved by an administrator, and the person has it', slow, async () => {
    const bob = await t.enter('bob');
    const mine = () => tell(bob, 'GET /organizations/acme/me/access-requests');
    expect(await mine()).toMatchObject({ items: [{ state: 'open', server: 'wiki' }] });
    const { page, visit, complaints, close } = await t.visitor('ada');
    await visit('/admin/o/acme/requests');
    await page.locator('.row-link').first().click();
    await page.getByRole('dialog').getByText('to write the handbook').waitFor();
    await button(page, 'Approve').click();
    await expect.poll(mine, { timeout: 20_000 }).toMatchObject({ items: [{ state: 'approved' }] });
    expect(complaints).toEqual([]);
    await close();
  });

  test('a group is found, changed, and deleted by its name; MCP-Admin is not [S3.26]', slow, async () => {
    const { page, visit, complaints, close } = await t.visitor('ada');
    await visit('/admin/o/acme/people?tab=groups');
    await page.getByLabel('Search groups').fill('blue');
    await page.waitForURL(/search=blue/);
    await page.getByRole('row').nth(2).waitFor({ state: 'detached' });
    await page.locator('.row-link').first().click();
    await button(page, 'Delete the group').click();
    const asked = page.getByRole('dialog').filter({ hasText: 'Delete Tenant-Blue?' });
    await button(page, 'Delete').click();
    await asked.waitFor();
    await asked.getByRole('textbox').fill('Tenant-Blue');
    await button(page, 'Delete').click();
    await page.getByText('Tenant-Blue was deleted').waitFor();
    await visit('/admin/o/acme/people?tab=groups&group=MCP-Admin');
    await page.getByText('It can’t be renamed or deleted').waitFor();
    expect(await button(page, 'Delete the group').count()).toBe(0);
    expect(complaints).toEqual([]);
    await close();
  });
});
