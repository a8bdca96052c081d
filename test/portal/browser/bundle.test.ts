/** What a browser loads before the portal's first view stands: how much, and from where. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, whySkipped } from '#kit/chromium.ts';
import { openPortalInBrowser, type PortalInBrowser } from '#kit/portal-browser.ts';

const suite = `the first view in Chromium${chromiumPath === undefined ? ` (${whySkipped})` : ''}`;

describe.skipIf(chromiumPath === undefined)(suite, () => {
  let t: PortalInBrowser;
  beforeAll(async () => {
    t = await openPortalInBrowser();
  }, 180_000);
  afterAll(() => t?.close());

  test('is under 200 KB on the wire, all of it from here, and kept for the next time', {
    timeout: 120_000,
  }, async () => {
    const { page, visit, complaints } = await t.visitor('ada');
    const loaded: { readonly path: string; readonly bytes: number }[] = [];
    page.on('response', async (response) => {
      const path = new URL(response.url()).pathname;
      if (path.includes('/api/')) return;
      const { responseBodySize } = await response.request().sizes();
      loaded.push({ path, bytes: responseBodySize });
    });
    await visit('/admin');
    const first = [...loaded];
    const kind = (end: string) =>
      first.filter(({ path }) => path.endsWith(end)).reduce((sum, { bytes }) => sum + bytes, 0);
    const total = first.reduce((sum, { bytes }) => sum + bytes, 0);
    const painted = await page.evaluate<number>(
      `performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0`,
    );
    console.log(
      `first view: ${(total / 1024).toFixed(1)} KB on the wire (${first.length} files; js ${(kind('.js') / 1024).toFixed(1)}, css ${(kind('.css') / 1024).toFixed(1)}), first paint after ${Math.round(painted)} ms`,
    );
    expect(total).toBeGreaterThan(10_000);
    expect(total).toBeLessThan(200 * 1024);
    expect(complaints).toEqual([]);
    const files = first.filter(({ path }) => path.includes('/assets/'));
    for (const { path } of files) {
      const { headers } = await fetch(t.url + path, { headers: { 'accept-encoding': 'gzip' } });
      expect([path, headers.get('content-encoding'), headers.get('cache-control')]).toEqual([
        path,
        'gzip',
        expect.stringContaining('immutable'),
      ]);
    }
  });
});
