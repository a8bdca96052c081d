/** A new company is let in by somebody who never reads SQL: in how many clicks, and does it work (REQUIREMENTS S3.15). */
import type { Locator } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, whySkipped } from '#kit/chromium.ts';
import { openPortalInBrowser, type PortalInBrowser, settled } from '#kit/portal-browser.ts';
import { type FilledPortal, fillPortal, tell } from '#kit/portal-data.ts';

const suite = `a new company in Chromium${chromiumPath === undefined ? ` (${whySkipped})` : ''}`;
const secret = 'key-of-tenant-x-at-the-wiki';

describe.skipIf(chromiumPath === undefined)(suite, () => {
  let t: PortalInBrowser;
  let filled: FilledPortal;
  beforeAll(async () => {
    t = await openPortalInBrowser({ people: [['gus', '--email', 'gus@example.com', '--org', 'acme']] });
    filled = await fillPortal(t);
  }, 240_000);
  afterAll(async () => {
    await t?.close();
    await filled?.close();
  });

  /** The outcome of a call by gus, as the rooms of every call decide it. */
  async function callOfGus(): Promise<unknown> {
    const gus = await t.enter('gus');
    const wish = {
      endpoint: 'wiki',
      method: 'tools/call',
      params: { name: 'search_issues', arguments: { query: 'x' } },
    };
    const { status, body } = await gus.ask('POST', '/admin/api/v1/organizations/acme/me/call', {
      body: wish,
      headers: { 'x-csrf-token': await gus.csrf() },
    });
    const { items } = body;
    return status === 200 && Array.isArray(items) ? items.at(-1)?.decision?.outcome : status;
  }

  test('group, members, servers and key: under fifteen clicks, no SQL, and its people reach the tools [S3.15] [S3.28]', {
    timeout: 240_000,
  }, async () => {
    expect(await callOfGus()).not.toBe('allowed');
    const { page, visit, complaints, picture } = await t.visitor('ada');
    let clicks = 0;
    const click = async (target: Locator) => {
      clicks++;
      await target.click();
    };
    const { keyboard } = page;
    const button = (name: string) => page.getByRole('button', { name, exact: true });
    await visit('/admin');

    await click(page.getByRole('link', { name: 'Users & Groups', exact: true }));
    await click(page.getByRole('tab', { name: 'Groups', exact: true }));
    await click(button('New group'));
    await page.getByRole('dialog').getByLabel('Name').and(page.locator(':focus')).waitFor();
    await keyboard.type('Tenant-X');
    await keyboard.press('Enter');
    await click(page.getByLabel('Add by e-mail address'));
    await keyboard.type('gus@example.com');
    await keyboard.press('Enter');
    await button('Take gus@example.com out of Tenant-X').waitFor();
    await picture('new-company-1-group');

    await click(page.getByRole('link', { name: 'Choose its servers and tools' }));
    await settled(page);
    await click(page.getByRole('gridcell', { name: /wiki for Tenant-X/ }));
    await click(page.getByLabel('Everything, also later tools'));
    await click(button('Apply'));
    await click(button('Review and save'));
    await picture('new-company-2-servers');
    await click(button('Save it'));
    await page.getByText('The change was saved').waitFor();

    await click(page.getByRole('link', { name: 'API Keys', exact: true }));
    await click(button('Add a key'));
    const form = page.getByRole('dialog');
    await form.getByLabel('Server').and(page.locator(':focus')).waitFor();
    await keyboard.type('wiki');
    await page.getByRole('option', { name: /wiki/ }).waitFor();
    await keyboard.press('ArrowDown');
    await keyboard.press('Enter');
    await keyboard.press('Tab');
    await keyboard.type('Tenant-X');
    await page.getByRole('option', { name: /Tenant-X/ }).waitFor();
    await keyboard.press('ArrowDown');
    await keyboard.press('Enter');
    await keyboard.press('Tab');
    await form.locator('input[type=password]').fill(secret);
    await picture('new-company-3-key');
    await keyboard.press('Enter');
    await page
      .getByRole('row', { name: /wiki.*Tenant-X|Tenant-X.*wiki/ })
      .getByText('Configured')
      .waitFor();
    await picture('new-company-4-done');
    console.log(`${clicks} clicks`);
    expect(clicks).toBeLessThan(15);
    expect(complaints).toEqual([]);
    expect(await page.content()).not.toContain(secret);

    await expect.poll(callOfGus, { timeout: 20_000 }).toBe('allowed');
    const sent = filled.upstream.upstream.requests.map(({ headers }) => headers.authorization);
    expect(sent).toContain(`Bearer ${secret}`);
    expect(await tell(await t.enter('ada'), 'GET /organizations/acme/credentials?server=wiki')).toMatchObject({
      items: expect.arrayContaining([expect.objectContaining({ group: 'Tenant-X', configured: true })]),
    });
  });
});
