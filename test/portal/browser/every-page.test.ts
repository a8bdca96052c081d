/** Every page of the portal in a real browser, on desk and phone, light and dark: read, looked at, complained about. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, whySkipped } from '#kit/chromium.ts';
import { looks, openPortalInBrowser, type PortalInBrowser } from '#kit/portal-browser.ts';
import { crawl } from '#kit/portal-crawl.ts';
import { type FilledPortal, fillPortal } from '#kit/portal-data.ts';

const suite = `the portal's pages in Chromium${chromiumPath === undefined ? ` (${whySkipped})` : ''}`;
const [desk] = looks;
const phone = looks.filter(({ width, dark }) => width < 600 && dark);

describe.skipIf(chromiumPath === undefined)(suite, () => {
  let t: PortalInBrowser;
  let filled: FilledPortal;
  beforeAll(async () => {
    t = await openPortalInBrowser();
    filled = await fillPortal(t);
  }, 180_000);
  afterAll(async () => {
    await t?.close();
    await filled?.close();
  });

  const whole = { looks, visitors: 3 };
  test('an administrator of the gateway: nothing for axe, nothing cut off, nothing refused, in every look', {
    timeout: 300_000,
  }, async () => {
    const { navigation, visited, problems } = await crawl(t, { who: 'root', start: '/admin', ...whole });
    console.log(`${visited.length} pages: ${visited.join(' ')}`);
    expect(problems).toEqual([]);
    expect(navigation).toContain('/admin/organizations');
  });

  test('everybody: likewise', { timeout: 120_000 }, async () => {
    const { visited, problems } = await crawl(t, { who: 'bob', start: '/me', ...whole });
    console.log(`${visited.length} pages: ${visited.join(' ')}`);
    expect(problems).toEqual([]);
  });

  test('an administrator of one organization is led to nothing that is refused [S3.25]', {
    timeout: 120_000,
  }, async () => {
    const one = { looks: desk ? [desk] : [], visitors: 3 };
    const { navigation, problems } = await crawl(t, { who: 'ada', start: '/admin', ...one });
    expect(problems).toEqual([]);
    expect(navigation.filter((path) => !path.startsWith('/admin/o/acme/'))).toEqual([]);
  });

  test('an auditor is led to what is on record, and to nothing else', { timeout: 60_000 }, async () => {
    const { navigation, problems } = await crawl(t, { who: 'ivy', start: '/admin', looks: phone, visitors: 1 });
    expect(problems).toEqual([]);
    expect(navigation).toEqual(['/admin/o/acme/audit']);
  });
});
