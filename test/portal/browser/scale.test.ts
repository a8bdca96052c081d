/** The portal of a large organization: a thousand servers, fifteen thousand people. What is slow is printed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, whySkipped } from '#kit/chromium.ts';
import { openPortalInBrowser, type PortalInBrowser, settled } from '#kit/portal-browser.ts';

const suite = `many rows in Chromium${chromiumPath === undefined ? ` (${whySkipped})` : ''}`;
const [servers, people] = [1_000, 15_000];

describe.skipIf(chromiumPath === undefined)(suite, () => {
  let t: PortalInBrowser;
  beforeAll(async () => {
    t = await openPortalInBrowser();
    const { sql } = t.database;
    await sql(`insert into gateway.users (subject, name, email)
      select 'subject-' || n, 'Person ' || n, 'person' || n || '@example.com' from generate_series(1, ${people}) n`);
    await sql(`insert into gateway.members (org_id, user_id, roles)
      select o.id, u.id, '["member"]' from gateway.organizations o, gateway.users u
      where o.slug = 'acme' and u.name like 'Person %'`);
    await sql(`insert into gateway.servers (key, title, transport)
      select 'server-' || n, 'Server ' || n, '{"kind":"http","url":"https://mcp.example/mcp"}'
      from generate_series(1, ${servers}) n`);
    await sql(`insert into gateway.enablements (org_id, server_id, all_members)
      select o.id, s.id, false from gateway.organizations o, gateway.servers s where o.slug = 'acme' and s.key like 'server-%'`);
  }, 240_000);
  afterAll(() => t?.close());

  const lists: readonly (readonly [string, string, string])[] = [
    ['/admin/o/acme/people', 'person14999', 'person14999'],
    ['/admin/o/acme/servers', 'server-999', 'server-999'],
  ];
  for (const [path, word, found] of lists) {
    test(`${path}: first rows, the next ones, and one among them all`, { timeout: 180_000 }, async () => {
      const { page, visit, complaints, overflow, close } = await t.visitor('ada');
      const from = performance.now();
      await visit(path);
      await page.locator('main tbody tr').first().waitFor();
      const first = performance.now() - from;
      const more = page.getByRole('button', { name: 'Show more' });
      if ((await more.count()) > 0) await more.first().click();
      await settled(page);
      const rows = await page.locator('main tbody tr').count();
      const typed = performance.now();
      await page.locator('main input[aria-label^="Search"]').first().fill(word);
      await page.locator('main tbody tr').filter({ hasText: found }).first().waitFor({ timeout: 60_000 });
      console.log(
        `${path}: first rows after ${Math.round(first)} ms, ${rows} rows drawn, found after ${Math.round(performance.now() - typed)} ms`,
      );
      expect(rows).toBeLessThan(200);
      expect(await overflow()).toBe(0);
      expect(complaints).toEqual([]);
      await close();
    });
  }
});
